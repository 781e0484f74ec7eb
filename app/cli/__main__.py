"""`python -m app.cli` is `penstock`, for places where the package is not installed but lies in the current folder."""

from app.cli.main import main

if __name__ == "__main__":
    main()

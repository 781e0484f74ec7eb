# Sourced by the scripts of this folder: the checkout's own virtual environment, made with whatever Python 3.11+ there is.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv
PIP=("$VENV/bin/python" -m pip)

fail() {
    echo "$(basename "$0"): $1" >&2
    exit 1
}

# The name of a Python that runs (a shim may not), is new enough and can make environments. $1: modules it must have.
find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$name" -c "import sys, $1; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    return 1
}

# Debian's Python has no ensurepip without the package python3-venv; a pip outside of the environment can fill it as well.
make_environment() {
    local python
    if python=$(find_python "venv, ensurepip"); then
        "$python" -m venv --clear "$VENV"
    elif python=$(find_python "venv, pip"); then
        "$python" -m venv --clear --without-pip "$VENV"
    else
        fail "needs Python 3.11 or newer with the modules venv and pip (Debian: apt-get install python3-venv)."
    fi
}

prepare_environment() {
    if ! "$VENV/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        make_environment
    fi
    if ! "$VENV/bin/python" -c 'import pip' >/dev/null 2>&1; then
        PIP=("$(find_python "venv, pip")" -m pip --python "$VENV/bin/python")
    fi
}

# What an installation depends on. $1: file name.
installation_of() {
    echo "$ROOT"
    cat "$ROOT/requirements.txt" "$ROOT/$1" "$ROOT/pyproject.toml"
}

# Install the packages of a requirements file and Penstock itself; nothing to do if that was done before. $1: file name.
install_locked() {
    local stamp=$VENV/installed-$1
    prepare_environment
    if installation_of "$1" | cmp -s - "$stamp"; then
        return
    fi
    echo "Installing the packages of $1 into .venv ..." >&2
    "${PIP[@]}" install --quiet --disable-pip-version-check -r "$ROOT/$1"
    "${PIP[@]}" install --quiet --disable-pip-version-check --no-deps --editable "$ROOT"
    installation_of "$1" > "$stamp"
}

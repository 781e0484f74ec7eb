"""Is everything as it was promised? ``penstock doctor``, and the library behind it."""

from worker.doctor.examination import CHECK_NAMES, CHECKS, examine
from worker.doctor.finding import Check, Finding

__all__ = ["CHECKS", "CHECK_NAMES", "Check", "Finding", "examine"]

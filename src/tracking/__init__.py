"""Trackers that a run, or a study, may tell what happens; each is a file, and its package is optional."""

from src.tracking.base import TRACKERS as TRACKERS
from src.tracking.base import check_tracker as check_tracker
from src.tracking.base import tracker as tracker

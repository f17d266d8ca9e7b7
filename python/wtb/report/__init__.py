"""A batch as one HTML file that needs nothing else: no network, no server, no account.

`collect` reads a batch from the store as plain data, for the page and for other exporters. `page`
makes the file of it and of what lies in `assets/`.
"""

from wtb.report.collect import Collected, collect
from wtb.report.page import write_report

__all__ = ["Collected", "collect", "write_report"]

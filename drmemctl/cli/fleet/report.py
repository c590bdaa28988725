# SPDX-License-Identifier: MIT
"""`drmemctl fleet report`: a data set on one page."""

from __future__ import annotations

import click

from drmemctl.cli.common import FILE, write_page
from drmemctl.cli.fleet.extra import check_extra

_EXAMPLE = """
\b
Examples:
  drmemctl fleet report fleet -o fleet.html
  drmemctl fleet report s3://support/fleet -o page.html --title "November"

The page is one file. It loads nothing and has no date in it: the same data set gives the same bytes.
"""


@click.command("report", short_help="Write a data set on one HTML page.", epilog=_EXAMPLE)
@click.argument("dataset", metavar="DATASET")
@click.option("-o", "--output", required=True, metavar="OUT", type=FILE, help="A file; - is standard output.")
@click.option("--title", metavar="TEXT", default="", help="The heading.  [default: the data set's name]")
def command(dataset: str, output: str, title: str) -> None:
    """Write what there is to say of a data set on one HTML page that can be sent as it is.

    How much there is, the answers to the questions that fleet ask has names for, and of fleet check how the
    captures of the partitions drift whose LMBs changed most. Of a campaign the page has each command to replay.
    """
    check_extra()
    from drmemctl.fleet.ask import fleet
    from drmemctl.fleet.overview import overview_of
    from drmemctl.output.progress import working
    from drmemctl.output.report.fleet_page import fleet_page

    with fleet(dataset) as views, working("asking the data set"):
        page = fleet_page(overview_of(views, dataset), title)
    write_page(output, page)

"""Write the tables of keys into experiments/README.md and docs/config.md, from the fields of the settings' dataclasses.

Each table stands between two comments that name its dataclass: <!-- keys: Recipe --> and <!-- end -->.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.common.files import whole_file
from pipeline.common.paths import ROOT
from pipeline.config import settings
from pipeline.config.fields import table
from pipeline.config.recipe import Recipe
from pipeline.config.recipes import Fusion

PAGES = (ROOT / "experiments" / "README.md", ROOT / "docs" / "config.md")
CLASSES: dict[str, type] = {
    cls.__name__: cls for cls in (Recipe, Fusion, settings.DatasetSettings, *settings.SECTIONS.values())
}
TABLE = re.compile(r"(<!-- keys: (\w+) -->\n\n).*?(\n<!-- end -->)", re.S)


def documented(text: str) -> str:
    """A page with each of its tables as the dataclasses are now."""

    def replaced(match: re.Match[str]) -> str:
        if match[2] not in CLASSES:
            raise UserError(f"a page wants the keys of {match[2]}: name one of {', '.join(CLASSES)}")
        return match[1] + table(CLASSES[match[2]]) + match[3]

    return TABLE.sub(replaced, text)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("pages", nargs="*", type=Path, default=PAGES, help="the pages to write")
    for page in parser.parse_args(argv).pages:
        text = documented(page.read_text("utf-8"))
        with whole_file(page) as scratch:
            scratch.write_text(text, "utf-8")
        log.say(f"{page}: its tables are as the code is")


if __name__ == "__main__":
    cli.run(main)

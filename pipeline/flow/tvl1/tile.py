"""How the kernels of TV-L1 cut an image among the blocks of a GPU."""

from typing import NamedTuple

from pipeline.common.errors import UserError


class Tile(NamedTuple):
    """How `iterate` cuts an image: threads a block, patch a thread, iterations a launch; set when it is compiled."""

    threads_x: int
    threads_y: int
    patch_h: int
    depth: int

    @property
    def threads(self) -> int:
        return self.threads_x * self.threads_y

    @property
    def shared(self) -> int:
        """Bytes of shared memory: four planes of data, the patches' edges, the sums."""
        return 4 * self.threads * (16 * self.patch_h + 4 * self.patch_h + 16 + self.depth)

    def across(self, width: int) -> int:
        return count_tiles(width, 4 * self.threads_x, self.depth)

    def down(self, height: int) -> int:
        return count_tiles(height, self.patch_h * self.threads_y, self.depth)

    def macros(self) -> dict[str, int]:
        """What tvl1.cu has to be compiled with."""
        return {
            "THREADS_X": self.threads_x,
            "THREADS_Y": self.threads_y,
            "PATCH_H": self.patch_h,
            "DEPTH": self.depth,
        }


TILES = (Tile(32, 16, 4, 8), Tile(16, 16, 4, 8), Tile(16, 16, 2, 4))  # 208, 104 and 60 KiB of shared memory


def count_tiles(length: int, side: int, depth: int) -> int:
    """How many tiles of `side` cover `length` when each loses `depth` on the sides where another follows."""
    return max(1, -(-(length - 2 * depth) // (side - 2 * depth)))


def largest_tile(shared: int) -> Tile:
    """The largest tile for `shared` bytes of shared memory a block."""
    for tile in TILES:
        if tile.shared <= shared:
            return tile
    raise UserError(
        f"the GPU has {shared} bytes of shared memory but TV-L1 needs {TILES[-1].shared}: use the backend cpu"
    )

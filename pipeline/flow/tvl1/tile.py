"""How the CUDA kernel `iterate` divides an image into tiles, one per block."""

from typing import NamedTuple

from pipeline.common.errors import UserError


class Tile(NamedTuple):
    """Compile-time constants of `iterate`: the threads per block, the patch per thread, the iterations per launch."""

    threads_x: int
    threads_y: int
    patch_h: int  # rows of a thread's patch, which is 4 pixels wide
    depth: int  # iterations per launch

    @property
    def threads(self) -> int:
        return self.threads_x * self.threads_y

    @property
    def shared(self) -> int:
        """Bytes of shared memory per block: four planes of data, the edges of the patches, and the sums."""
        return 4 * self.threads * (16 * self.patch_h + 4 * self.patch_h + 16 + self.depth)

    def across(self, width: int) -> int:
        """The number of tiles in a row of the image."""
        return count_tiles(width, 4 * self.threads_x, self.depth)

    def down(self, height: int) -> int:
        """The number of tiles in a column of the image."""
        return count_tiles(height, self.patch_h * self.threads_y, self.depth)

    def macros(self) -> dict[str, int]:
        """The macros of tvl1.cu."""
        return {
            "THREADS_X": self.threads_x,
            "THREADS_Y": self.threads_y,
            "PATCH_H": self.patch_h,
            "DEPTH": self.depth,
        }


TILES = (Tile(32, 16, 4, 8), Tile(16, 16, 4, 8), Tile(16, 16, 2, 4))  # 208, 104 and 60 KiB of shared memory


def count_tiles(length: int, side: int, depth: int) -> int:
    """How many tiles of `side` pixels cover `length`, if `depth` pixels are invalid at every inner edge of a tile."""
    return max(1, -(-(length - 2 * depth) // (side - 2 * depth)))


def largest_tile(shared: int) -> Tile:
    """The largest of TILES that fits into `shared` bytes of shared memory per block."""
    for tile in TILES:
        if tile.shared <= shared:
            return tile
    raise UserError(
        f"the GPU has {shared} bytes of shared memory but TV-L1 needs {TILES[-1].shared}: use the backend cpu"
    )

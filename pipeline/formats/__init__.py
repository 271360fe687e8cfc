"""The file formats that stages exchange: each module reads and writes one of them."""

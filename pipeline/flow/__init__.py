"""TV-L1 optical flow of slices of frames."""

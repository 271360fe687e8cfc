"""Official archives: found or downloaded, verified, unpacked."""

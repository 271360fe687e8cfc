"""The fetch stage: official archives, found on this machine or downloaded, verified and unpacked."""

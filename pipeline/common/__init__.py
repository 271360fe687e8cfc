"""What every stage uses: command lines, errors, files, threads, the hash of code, the environment."""

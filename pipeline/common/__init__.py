"""What every stage uses: command lines, errors, files, logs, threads, code hashes and the environment's description."""

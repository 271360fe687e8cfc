"""GPUs for the jobs of one machine, and torchrun for a training job on several GPUs."""

"""What a network sees of a video: times, crops, stacks, volumes, views."""

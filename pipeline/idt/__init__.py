"""Improved dense trajectories (Wang & Schmid, ICCV 2013) and their Fisher vectors, from pip alone.

sample.py samples descriptors of some tracks of each video of a slice; vocabulary.py fits PCA and Gaussian mixtures to
those of a split's training videos; encode.py computes the Fisher vectors of all tracks of each video under every
vocabulary; classify.py fits linear SVMs and writes scores. Sampling and encoding use tracks.py, which follows tracks
through a video by means of motion.py, farneback.py, camera.py, active_tracks.py and histograms.py. Only the tracks of
the last 15 frames are in memory.

Tracks are followed twice rather than stored, since those of UCF-101 take 200 GB as 16-bit floats, and a vocabulary,
which is needed before a video can be encoded, takes only a few tracks of each video. Sampling reads 45 frames of each
video, a quarter of UCF-101's, and encoding follows all tracks once for all splits; an encoding takes 200 kB for each
video and split.
"""

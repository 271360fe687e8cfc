"""Improved dense trajectories (Wang & Schmid, ICCV 2013) and their Fisher vectors, from pip alone.

For each slice of frames: sample.py draws some tracks' descriptors; vocabulary.py fits PCA and a Gaussian mixture to those
of a split's training videos; encode.py turns every track of every video into the video's Fisher vectors, one under each
split's vocabulary; classify.py trains linear SVMs and writes scores. Below them: tracks.py walks over a video with
pyramid.py, farneback.py, camera.py, points.py and histograms.py, which hold no more than the last 15 frames' tracks.
"""

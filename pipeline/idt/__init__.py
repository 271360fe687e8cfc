"""Improved dense trajectories (Wang & Schmid, ICCV 2013) and their Fisher vectors, from pip alone.

Of each slice of frames sample.py draws some tracks' descriptors; vocabulary.py fits PCA and Gaussian mixtures to those
of a split's training videos; encode.py turns all tracks of each video into its Fisher vectors under every vocabulary;
classify.py trains linear SVMs and writes scores. Below them, tracks.py walks over a video with pyramid.py,
farneback.py, camera.py, points.py and histograms.py, which hold no more than the last 15 frames' tracks.

Why tracks are followed twice and not kept: those of UCF-101 fill 200 GB as 16-bit floats, and a vocabulary, which must
be there before a video can be encoded, needs a few tracks a video alone. Sampling looks at 45 frames of each video, a
quarter of UCF-101's, and encoding follows all tracks once for all splits; the encodings are 200 kB a video and split.
"""

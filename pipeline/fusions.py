"""What a fusion's method takes, for those who plan and do not compute."""

FITTED = ("svm", "logistic")  # methods fitted to the scores of the training videos

"""References from what other platforms keep of a baseline: counts of values, and nothing of their order in time.

file -> sagemaker | tfdv | histograms -> columns.Profile -> checks -> reference.reference_of
"""

"""Indicators: a dictionary, every observation ever sent, states, signs and explanations; and the DTI's rounds."""

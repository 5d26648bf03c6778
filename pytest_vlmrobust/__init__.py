"""Tests whether a vision-language model really reasons from the image."""

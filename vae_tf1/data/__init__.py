"""Reads images and labels, and draws batches from them."""

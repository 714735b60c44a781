"""What can be done with any TensorFlow 1 graph; nothing here knows a VAE."""

"""Operations on any TensorFlow 1 graph; nothing here depends on the VAE."""

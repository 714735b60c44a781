"""A variational autoencoder in TensorFlow 1 style, on today's TensorFlow."""

from vae_tf1 import _startup as _startup  # first, because it imports TensorFlow  # isort: skip
from vae_tf1 import input_data
from vae_tf1.build import build_vae
from vae_tf1.evaluation import Estimate, Evaluation, evaluate, kl_per_dimension
from vae_tf1.graph.sessions import session_config
from vae_tf1.input_data import DataSet, Datasets, binarize, read_data_sets
from vae_tf1.likelihood import log_likelihood
from vae_tf1.model import NegativeElbo, decode, decoder, encoder, negative_elbo, optimizer, sample_latent
from vae_tf1.plane import show_plane
from vae_tf1.saved_model import export_saved_model
from vae_tf1.tf1_seeds import use_tf1_seeds
from vae_tf1.training import past_reports, train
from vae_tf1.training.reports import Report
from vae_tf1.vae import VAE
from vae_tf1.visualize import (
    plot_kl_per_dimension,
    plot_latent_means,
    plot_losses,
    show_figure,
    visualize_grid,
    visualize_row,
)

__all__ = [
    "VAE",
    "DataSet",
    "Datasets",
    "Estimate",
    "Evaluation",
    "NegativeElbo",
    "Report",
    "binarize",
    "build_vae",
    "decode",
    "decoder",
    "encoder",
    "evaluate",
    "export_saved_model",
    "input_data",
    "kl_per_dimension",
    "log_likelihood",
    "negative_elbo",
    "optimizer",
    "past_reports",
    "plot_kl_per_dimension",
    "plot_latent_means",
    "plot_losses",
    "read_data_sets",
    "sample_latent",
    "session_config",
    "show_figure",
    "show_plane",
    "train",
    "use_tf1_seeds",
    "visualize_grid",
    "visualize_row",
]

"""The same model in PyTorch: eager with fused Adam, or with forward and backward under `torch.compile`."""

import math
import sys
from functools import partial

import torch
import worker
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits


class VAE(nn.Module):
    def __init__(self, hidden_units):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, hidden_units), nn.ReLU(), nn.Linear(hidden_units, 128))
        self.decoder = nn.Sequential(nn.Linear(64, hidden_units), nn.ReLU(), nn.Linear(hidden_units, 784))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.1, a=-0.2, b=0.2)
                nn.init.zeros_(module.bias)

    def forward(self, x):
        """The negative ELBO in nats, mean over the batch."""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        reconstruction = binary_cross_entropy_with_logits(self.decoder(z), x, reduction="none").sum(dim=1)
        kl_divergence = -0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp(), dim=1)
        return (reconstruction + kl_divergence).mean()


def make(data, *, compiled):
    torch.manual_seed(0)
    vae = VAE(data.hidden_units)
    adam = torch.optim.Adam(vae.parameters(), lr=1e-3, fused=True)
    images, rows = torch.from_numpy(data.train), torch.from_numpy(data.rows)

    def step(x):
        adam.zero_grad(set_to_none=True)
        loss = vae(x)
        loss.backward()
        adam.step()

    if compiled:
        vae.compile(mode="max-autotune-no-cudagraphs")

    def train(first, last):
        for i in range(first, last):
            step((images[rows[i]] > 127).float())

    @torch.no_grad()
    def test():
        return vae(torch.from_numpy(worker.binarize(data.test)))

    @torch.no_grad()
    def likelihood(images, samples):
        estimates = []
        for x in torch.from_numpy(worker.binarize(data.test[:images])).split(20):
            mu, logvar = vae.encoder(x)[:, None].chunk(2, dim=2)
            log_weights = []
            for _ in range(samples // 100):
                epsilon = torch.randn(len(x), 100, 64)
                z = mu + torch.exp(0.5 * logvar) * epsilon
                logits = vae.decoder(z)
                terms = binary_cross_entropy_with_logits(logits, x[:, None].expand_as(logits), reduction="none")
                log_weights.append(0.5 * (epsilon**2 + logvar - z**2).sum(dim=2) - terms.sum(dim=2))
            estimates.append(torch.cat(log_weights, 1).logsumexp(1) - math.log(samples))
        return torch.cat(estimates).numpy()

    return train, test, likelihood


if __name__ == "__main__":
    worker.serve(partial(make, compiled=sys.argv[2] == "compile"))

"""The same model in PyTorch: eager with fused Adam, or with forward and backward under `torch.compile`."""

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

    return train, test


if __name__ == "__main__":
    worker.serve(partial(make, compiled=sys.argv[2] == "compile"))

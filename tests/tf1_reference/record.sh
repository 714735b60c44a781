#!/bin/sh
# Makes every record again: record.sh PYTHON MNIST_DIR, with PYTHON a Python 3.7 that has tensorflow 1.15.5.
set -eu
python=$1 mnist=$2
cd "$(dirname "$0")"
digits=../../vae_tf1/data/digits
"$python" record.py batches next_batch.json
"$python" record.py programs programs.json
"$python" record.py models "$digits" models.json
"$python" record.py contrib contrib_parts.json
"$python" record.py distributions distributions.json
"$python" record.py operations random_operations.json
"$python" record.py numerics numerics.json
"$python" record.py train "$digits" 1 1000 digits_seed1.json ./digits_seed1.ckpt
"$python" record.py train "$digits" 3 5000 digits_seed3.json
"$python" record.py seeds "$digits" "$mnist" seeds.json
for seed in 0 1 7 11; do
  "$python" record.py train "$mnist" "$seed" 20000 "mnist_seed$seed.json"
done
rm checkpoint  # what the Saver notes beside a checkpoint; nothing reads it

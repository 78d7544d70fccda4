#!/bin/sh
# zoo:mnist, which comes with the package: 3.5 minutes on one core. Data: CC BY-SA 3.0.
set -e
ganbaru train mnist --batch 64 --lr 1e-3 --images 143000 --engine numpy --run zoo-mnist
ganbaru export zoo-mnist -o mnist.safetensors --precision float16

#!/bin/sh
# zoo:digits, which comes with the package: 2.3 minutes on one core. Data: UCI, CC BY 4.0.
set -e
ganbaru train digits --images 100000 --engine numpy --run zoo-digits
ganbaru export zoo-digits -o digits.safetensors --precision float16

#!/bin/sh
# A shared folder cifar10: 15 minutes. Data: no licence stated, cite Krizhevsky 2009.
set -e
ganbaru train cifar10 --minutes 15 --run zoo-cifar10
ganbaru export zoo-cifar10 -o cifar10 --precision float16

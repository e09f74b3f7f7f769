"""The few hundred English words that :mod:`vos.detectors.vl_sam.noun_phrases` knows."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BREAKS = _words(
    """about above across after against along also although among and appear appears are around as at away
    be because been behind being below beneath beside besides between beyond both but by can cannot can't
    close contain contains could depict depicts did do does down during each either else ever feature
    features for from has have having he her here him his i if in include includes including inside into is
    it its it's just let lie lies like located look looks made may me might my near nearby next no nor not of
    off on onto opposite or our out outside over overall past per see seem seems seen set she should show
    showing shown shows sit sits sleep sleeps so stand stands such suggest suggests than that their them then
    there there's these they this those through to together toward towards under underneath until up upon us
    very visible was we well were what when where which while who whose will with within without would yes
    you your"""
)
"""Words that end a noun phrase and are never part of one."""
OPENERS = _words(
    """a all an another beautiful big bottom bunch center centre couple different dozen dozens eight every
    few first five four group groups kind kinds large left lot lots many middle more most multiple nine
    number numerous one other others own pair pairs piece pieces right same second seven several six small
    some ten the third three top two type types various variety"""
)
"""Words that may begin a noun phrase but say nothing of what the object is."""
STOP_NAMES = _words(
    """answer area background bottom center centre corner detail distance edge element example foreground
    front image item left list middle none object part photo photograph picture question right scene setting
    side thing top back view"""
)
"""Words that are not objects in the image: the image itself, and where in it."""
ING_NOUNS = _words(
    """awning awnings building buildings ceiling ceilings clothing crossing duckling frosting icing king
    lightning painting paintings railing railings ring rings sibling spring string strings swing swings thing
    things wing wings"""
)
ED_NOUNS = _words("bed beds bobsled feed red reed reeds seed seeds shed sheds sled sleds weed weeds")
SAME_IN_PLURAL = _words(
    """binoculars bus cactus canvas chess clothes compass cross dress gas glass glasses grass jeans lens
    mattress pants scissors series shorts skis species stairs sunglasses tennis trousers"""
)
IRREGULAR = {
    "axes": "axe",
    "buses": "bus",
    "calves": "calf",
    "canoes": "canoe",
    "children": "child",
    "cookies": "cookie",
    "feet": "foot",
    "gases": "gas",
    "geese": "goose",
    "horses": "horse",
    "houses": "house",
    "knives": "knife",
    "leaves": "leaf",
    "loaves": "loaf",
    "men": "man",
    "mice": "mouse",
    "movies": "movie",
    "noses": "nose",
    "oxen": "ox",
    "people": "person",
    "pies": "pie",
    "roses": "rose",
    "scarves": "scarf",
    "shelves": "shelf",
    "shoes": "shoe",
    "teeth": "tooth",
    "ties": "tie",
    "toes": "toe",
    "vases": "vase",
    "wolves": "wolf",
    "women": "woman",
}

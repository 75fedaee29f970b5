from itertools import count

import numpy as np
import pytest

from weakspot.data.review_rows import Sampling
from weakspot.labels.review_round import ReviewRound

NAMES = [f"{i:02}" for i in range(30)]  # by uncertainty
SHUFFLED = [NAMES[i] for i in np.random.default_rng(3).permutation(30)]


def begun(samplings=None, names=NAMES, shuffled=SHUFFLED, typical=()):
    return ReviewRound(iter(names), shuffled, samplings or {}, typical)


numbers = count(1)


def decide(found, name, right=True):
    sampling = Sampling("r", next(numbers), found.offer_of(name), right)
    found.add(name, sampling)
    return sampling


def test_every_third_offer_is_the_next_one_of_the_random_order():
    found = begun()
    offers = found.offers(30)
    assert sorted(offer.image for offer in offers) == NAMES
    assert [offer.is_random for offer in offers[:9]] == [False, False, True] * 3
    assert [offer.image for offer in offers if not offer.is_random] == sorted(
        offer.image for offer in offers if not offer.is_random
    )
    drawn = [offer.image for offer in offers if offer.is_random]
    assert drawn == sorted(drawn, key=SHUFFLED.index)


def test_offers_that_are_followed_come_as_they_were_announced():
    found, announced = begun(), begun().offers(30)
    for offer in announced:
        assert found.offers(1) == [offer]
        assert decide(found, offer.image).offer == ("random" if offer.is_random else "uncertain")
    assert found.offers(1) == []


def test_after_a_restart_the_offers_and_the_estimate_are_the_same():
    found, samplings = begun(), {}
    for i in range(17):
        name = found.offers(1)[0].image if i % 5 else found.offers(9)[7].image
        samplings[name] = decide(found, name, right=i % 4 > 0)
    again = begun(dict(reversed(samplings.items())))
    assert again.offers(13) == found.offers(13)
    assert again.estimate() == found.estimate()


def test_an_image_that_a_person_chose_is_picked_also_if_it_is_to_be_drawn_later():
    found = begun()
    for name in (NAMES[5], SHUFFLED[0], SHUFFLED[3]):
        if name != NAMES[0]:
            assert found.offer_of(name) == "picked"
    decide(found, NAMES[0])
    decide(found, NAMES[1])
    assert found.offers(1)[0].is_random
    assert found.offer_of(NAMES[2]) == "uncertain"


def test_typical_images_come_first_and_once():
    typical = [NAMES[20], NAMES[3], SHUFFLED[0]]
    found = begun(typical=typical)
    offers = found.offers(30)
    assert sorted(offer.image for offer in offers) == NAMES
    assert [offer.image for offer in offers[:4]] == [NAMES[20], NAMES[3], SHUFFLED[0], NAMES[0]]
    assert found.ranked(4) == [NAMES[20], NAMES[3], SHUFFLED[0], NAMES[0]]
    assert [decide(found, found.offers(1)[0].image).offer for _ in range(4)] == [
        "typical",
        "typical",
        "random",
        "uncertain",
    ]
    assert found.estimate().left == 26


def test_a_decision_that_is_withdrawn_is_offered_again():
    found = begun()
    before = found.offers(3)
    for offer in before:
        decide(found, offer.image)
    for offer in reversed(before):
        found.withdraw(offer.image)
        assert found.offers(1) == [offer]
    assert found.estimate().left == 30


def test_an_image_of_an_earlier_round_whose_decision_is_withdrawn_is_offered_as_well():
    found = begun()
    found.withdraw("earlier")
    assert found.estimate().left == 31
    assert "earlier" in {offer.image for offer in found.offers(31)}


def test_only_random_checks_after_the_frontier_count():
    first = [NAMES[20], NAMES[6], NAMES[25]]
    found, counts = begun(shuffled=[*first, *(name for name in NAMES if name not in first)]), []
    for _ in range(11):
        decide(found, found.offers(1)[0].image)
        counts.append(found.estimate().drawn)
    # Images 0, 1, 20 | 2, 3, 6 | 4, 5, 25 | 7, whereby the frontier passes 6, and 8.
    assert counts == [0, 0, 1, 1, 1, 2, 2, 2, 3, 2, 2]
    assert found.estimate().left == 19


@pytest.mark.parametrize("typical", [[], [f"{i:03}" for i in range(199, 160, -4)]])
@pytest.mark.parametrize("reach", [50, 100])
def test_coverage_of_reviews_by_uncertainty(reach, typical):
    """Uncertain images are wrong more often; the estimate of those that are left is honest after any number."""
    random, hits = np.random.default_rng(1), []
    names = [f"{i:03}" for i in range(200)]
    for _ in range(150):
        right = dict(zip(names, random.random(200) > np.linspace(0.6, 0.05, 200), strict=True))
        found = begun(None, names, [names[i] for i in random.permutation(200)], typical)
        for offer in found.offers(reach):
            found.add(
                offer.image, Sampling("r", 1, "random" if offer.is_random else "uncertain", bool(right[offer.image]))
            )
        known = found.estimate()
        touched = {offer.image for offer in begun(None, names, found._at_random, typical).offers(reach)}
        hits.append(known.low <= sum(right[name] for name in names if name not in touched) <= known.high)
    assert np.mean(hits) >= 0.86

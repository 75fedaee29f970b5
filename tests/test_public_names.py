"""The names that others build on: a change here is a change for every user."""

import pytest

import weakspot
from weakspot import cams, data, metrics, ops


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            weakspot,
            {"Client", "InputError", "Localization", "Localizer", "ModelError", "WeakspotError"}
            | {"cams", "compare", "data", "evaluate", "metrics", "ops", "train"},
        ),
        (
            cams,
            {"METHODS", "Method", "ablationcam", "cam", "counterfactual", "eigencam", "find_method", "fuse", "gradcam"}
            | {"gradcam_plus_plus", "gradcam_plus_plus_weights", "guided_gradcam", "hirescam", "layercam", "scorecam"}
            | {"acol", "self_correlation", "ts_cam", "unit_features", "xgradcam"},
        ),
        (
            data,
            {"Dataset", "Sample", "MAX_PIXELS", "ImageSource", "Preprocessing", "DatasetIssue", "BLOCKING"}
            | {"Annotation", "ObjectAnnotation", "check_dataset", "find_images", "read_as_annotated", "read_dataset"}
            | {"read_image", "Rle", "ImageIndex", "index_images", "known_images", "DecoderPool"}
            | {"DecodingLimits"},
        ),
        (
            ops,
            {"Component", "ComponentTree", "Contours", "box_from_heatmap", "boxes_from_heatmap", "component_tree"}
            | {
                "connected_components",
                "evidence_per_pixel",
                "heatmap_from_class_map",
                "instances_from_heatmap",
                "mask_from_heatmap",
            }
            | {"normalize", "reference_contours", "resize", "scale_boxes", "split_instances", "nms"},
        ),
        (
            metrics,
            {"GTKnownLoc", "InstanceF1", "MaskIoU", "MaxBoxAcc", "MaxBoxAccV2", "PxAP", "TopKLoc", "average_precision"}
            | {
                "mask_overlaps",
                "matched",
                "box_iou",
                "pixel_counts",
                "native_overlaps",
                "reference_boxes",
                "reference_overlaps",
            }
            | {"AUPRO", "FalseAlarms", "ImageAP", "ImageAUROC", "ImagePixelAP", "PointingGame", "area_under_overlap"}
            | {"distance_to_boxes", "distance_to_mask", "image_auroc", "image_average_precision", "region_counts"},
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_public_names_are_these(module, names):
    assert set(module.__all__) == names
    assert all(getattr(module, name) is not None for name in names)


def test_the_methods_are_these():
    assert set(cams.METHODS) == {
        "cam", "gradcam", "gradcam++", "layercam", "xgradcam", "hirescam", "scorecam", "ablationcam", "eigencam",
        "guided_gradcam", "counterfactual", "acol", "acol_a", "acol_b", "ts_cam", "psol",
    }  # fmt: skip


def test_public_names_are_listed_and_others_are_not_there():
    assert set(weakspot.__all__) <= set(dir(weakspot))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        weakspot.nothing  # noqa: B018


def test_every_public_name_is_documented():
    for module in (cams, data, metrics, ops):
        for name in module.__all__:
            thing = getattr(module, name)
            assert not callable(thing) or thing.__doc__, name

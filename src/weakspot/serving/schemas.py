"""Response models of the API, and its errors."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from weakspot.errors import WeakspotError

# Code and hint of the errors that the framework raises, by status.
_FRAMEWORK_ERRORS = {
    400: ("request-invalid", "Send multipart/form-data with a field image, as curl -F image=@cat.jpg does."),
    404: ("path-not-found", "See /openapi.json for the paths."),
    405: ("unknown-method", "See /openapi.json for the methods of each path."),
    408: ("request-timeout", "Send it faster; --timeout of weakspot serve sets the limit."),
    413: ("request-too-large", "Send fewer or smaller images; --max-upload-mb of weakspot serve sets the limit."),
}
# Seconds after which a client may retry, by status.
_RETRY_AFTER = {429: "1", 503: "1"}


class ErrorDetail(BaseModel):
    """Code, problem and hint of an error."""

    code: str = Field(description="Stable kebab-case name of the error.", examples=["image-empty"])
    problem: str = Field(examples=["The image is empty (0 bytes)."])
    hint: str = Field(description="How to fix it; empty if the problem makes it obvious.")


class ErrorResponse(BaseModel):
    """Why a request or an image has no localization."""

    error: ErrorDetail


class LocalizationResponse(BaseModel):
    """Location of a class in an image, as ``Localization.to_json`` writes it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "image": "cat.jpg",
                "width": 451,
                "height": 300,
                "class_index": 285,
                "label": "Egyptian cat",
                "score": 0.429379,
                "method": "gradcam",
                "threshold": 0.4,
                "box": [34.45, 14.58, 372.7, 277.08],
                "boxes": [[34.45, 14.58, 372.7, 277.08]],
                "notes": [],
            }
        }
    )

    image: str | None = Field(description="File name that the client sent.")
    width: int = Field(description="Width of the upright image in pixels.")
    height: int = Field(description="Height of the upright image in pixels.")
    class_index: int
    label: str
    score: float = Field(ge=0, le=1, description="Probability of the class.")
    method: str
    threshold: float = Field(gt=0, le=1, description="Fraction of the heatmap's peak that bounds the regions.")
    uncertainty: float | None = Field(None, ge=0, le=1, description="Uncertainty of the box, if requested.")
    box: list[float] | None = Field(description="Box of the default region: x1, y1, x2, y2 in image pixels.")
    boxes: list[list[float]] = Field(description="Boxes of all requested regions, the default one first.")
    box_scores: list[float] | None = Field(None, description="Score of each box, if all regions were requested.")
    box_evidence: list[float] | None = Field(None, description="Share of the evidence in the region of each box.")
    box_confidences: list[float] | None = Field(
        None, description="Confidence in each box: score times the probability that it is right if the class is."
    )
    notes: list[str]
    logits: list[float] | None = Field(
        None, description="Logits of all classes, with the uncertainty, of models of at most 100 classes."
    )
    others: list["LocalizationResponse"] | None = Field(None, description="The other requested classes.")
    heatmap_png: str | None = Field(
        None,
        description="If requested, the heatmap in base64: a gray PNG, white at the peak, at the model's input size, or "
        "of up to two megapixels in tiles.",
    )


class BatchResponse(BaseModel):
    """One result for each image of a request with several images, in the order of the request."""

    results: list[LocalizationResponse | ErrorResponse]


class ModelResponse(BaseModel):
    """The served model."""

    name: str
    method: str = Field(description="Default method of requests.")
    quality: str
    threshold: float
    backend: str = Field(description="torch or onnx.")
    input_height: int
    input_width: int
    classes: list[str] = Field(description="Class names, by index.")


class ModelsResponse(BaseModel):
    """All served models (one)."""

    models: list[ModelResponse]
    version: str = Field(description="Version of weakspot.")


class MethodResponse(BaseModel):
    """A method that requests may use."""

    name: str
    threshold: float = Field(description="Default threshold of its heatmaps.")


class MethodsResponse(BaseModel):
    """The methods that fit the model and need one forward pass, the model's default first."""

    methods: list[MethodResponse]


class StatusResponse(BaseModel):
    """Health or readiness of the service."""

    status: str = Field(examples=["ok"])


@dataclass(frozen=True)
class ApiError:
    """An error response: HTTP status, stable kebab-case code, problem as one sentence, and hint (empty if obvious)."""

    status: int
    code: str
    problem: str
    hint: str = ""

    @classmethod
    def from_exception(cls, error: HTTPException) -> "ApiError":
        """Convert an exception of the framework."""
        code, hint = _FRAMEWORK_ERRORS.get(error.status_code, ("request-invalid", "See /openapi.json."))
        return cls(error.status_code, code, str(error.detail).rstrip(".") + ".", hint)

    @classmethod
    def wrong_method(cls, method: str) -> "ApiError":
        """Return the error of a method that a path does not have."""
        return cls.from_exception(HTTPException(405, f"The path has no method {method[:20]}"))

    def response(self, *, allow: Iterable[str] = ()) -> JSONResponse:
        """Build the response, with the headers that belong to the status; ``allow`` are the methods of the path."""
        headers = {"Allow": ", ".join(sorted(allow))} if allow else {}
        if self.status in _RETRY_AFTER:
            headers["Retry-After"] = _RETRY_AFTER[self.status]
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="weakspot: the token as password", charset="UTF-8"'
        return JSONResponse(error_body(self), self.status, headers)


def error_body(error: WeakspotError | ApiError) -> dict[str, Any]:
    """Convert an error to the JSON body of its response."""
    return {"error": {"code": error.code, "problem": error.problem, "hint": error.hint}}

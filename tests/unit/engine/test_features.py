import pytest

from worker.engine.errors import FormError
from worker.engine.features import UploadRules, current_upload, feature_parameters, file_upload_parameters
from worker.engine.values import File

PICTURE = File("image", "local_file", "a.png", ".png", "image/png", 1)
NOTE = File("document", "local_file", "a.txt", ".txt", "text/plain", 1)

IMAGE_DEFAULTS = {"enabled": False, "number_limits": 3, "detail": "high", "transfer_methods": ["remote_url", "local_file"]}


def test_features_that_are_not_set_are_shown_as_disabled():
    assert feature_parameters({}) == {
        "opening_statement": None,
        "suggested_questions": [],
        "suggested_questions_after_answer": {"enabled": False},
        "speech_to_text": {"enabled": False},
        "text_to_speech": {"enabled": False},
        "retriever_resource": {"enabled": False},
        "annotation_reply": {"enabled": False},
        "more_like_this": {"enabled": False},
        "sensitive_word_avoidance": {"enabled": False, "type": "", "configs": []},
        "file_upload": {"image": IMAGE_DEFAULTS},
    }


def test_features_are_shown_as_stored():
    stored = {"opening_statement": "", "text_to_speech": {"enabled": True, "voice": "v", "language": "en"}, "speech_to_text": None}
    shown = feature_parameters(stored)
    assert shown["opening_statement"] == ""
    assert shown["text_to_speech"] == stored["text_to_speech"]
    assert shown["speech_to_text"] == {"enabled": False}


def test_the_old_shape_of_uploads_is_derived_from_the_new_one():
    stored = {
        "enabled": True,
        "allowed_file_types": ["image", "document"],
        "allowed_file_upload_methods": ["local_file"],
        "number_limits": 5,
    }
    assert file_upload_parameters({"file_upload": stored}) == {
        **stored,
        "allowed_file_extensions": [],
        "image": {"enabled": True, "number_limits": 5, "detail": "high", "transfer_methods": ["local_file"]},
    }


def test_images_are_off_in_the_old_shape_unless_the_new_one_allows_them():
    shown = file_upload_parameters({"file_upload": {"enabled": True, "allowed_file_types": ["document"]}})
    assert shown["image"]["enabled"] is False


def test_both_stored_shapes_are_kept():
    stored = {"enabled": False, "number_limits": 4, "fileUploadConfig": {"x": 1}, "image": {"enabled": False, "number_limits": 2}}
    shown = file_upload_parameters({"file_upload": stored})
    assert shown["fileUploadConfig"] == {"x": 1}
    assert shown["number_limits"] == 4
    assert shown["image"] == {**IMAGE_DEFAULTS, "number_limits": 2}


def test_an_enabled_old_block_makes_the_new_shape():
    stored = {"image": {"enabled": True, "number_limits": 2, "transfer_methods": ["remote_url"], "detail": "low"}}
    assert current_upload(stored) == {
        "enabled": True,
        "number_limits": 2,
        "allowed_file_types": ["image"],
        "allowed_file_extensions": [],
        "allowed_file_upload_methods": ["remote_url"],
    }
    assert file_upload_parameters({"file_upload": stored})["image"]["detail"] == "low"


@pytest.mark.parametrize("features", [{}, {"file_upload": None}, {"file_upload": {"enabled": False}}, {"file_upload": ["odd"]}])
def test_without_enabled_uploads_there_are_no_rules(features):
    assert UploadRules.of(features) is None


@pytest.mark.parametrize(("number_limits", "limit"), [(2, 2), ("2", 2), (None, 3), (0, 3), ("many", 3), ("9" * 5000, 3), ([], 3)])
def test_the_number_of_files_is_limited(number_limits, limit):
    rules = UploadRules.of({"file_upload": {"enabled": True, "number_limits": number_limits}})
    rules.check_counts([NOTE] * limit)
    with pytest.raises(FormError, match=f"^Number of files exceeds the maximum limit {limit}$"):
        rules.check_counts([NOTE] * limit + [PICTURE])
    with pytest.raises(FormError, match=f"^Number of image files exceeds the maximum limit {limit}$"):
        rules.check_counts([PICTURE] * (limit + 1))

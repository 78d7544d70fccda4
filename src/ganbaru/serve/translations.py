"""The texts of the pages in English and Japanese, chosen by the browser's Accept-Language."""

from __future__ import annotations

from collections.abc import Mapping

from ganbaru.report.curves import WORDS

Translation = Mapping[str, str]

TRANSLATIONS: dict[str, Translation] = {
    "en": {
        **WORDS,
        "language": "en",
        "runs": "Runs",
        "intro": "Trained generators to try, and runs to watch during training.",
        "training": "Training",
        "finished": "Finished",
        "stopped": "Stopped",
        "silent": "No updates",
        "starting": "Starting",
        "model": "Checkpoint",
        "open": "Open",
        "play": "Playground",
        "report": "Report",
        "card": "Model card (JSON)",
        "api": "Use it from a program",
        "api_text": "Every model takes POST requests. API description:",
        "images": "images seen",
        "images_seen": "{0} images seen",
        "of": "of",
        "speed": "images/s",
        "elapsed": "training time",
        "left": "time left",
        "time_left": "{0} left",
        "d_loss": "discriminator loss",
        "g_loss": "generator loss",
        "grids": "Samples from fixed latents",
        "after": "after {0} images",
        "no_grid": "The first samples will appear here.",
        "no_curves": "Curves appear after two lines of the log.",
        "curves": "Curves",
        "timelapse": "Time-lapse (GIF)",
        "run_through": "Play time-lapse",
        "pause": "Pause",
        "slider": "Position in the time-lapse",
        "lost": "Connection lost. Reconnecting …",
        "connected": "Live",
        "untrained": "The playground opens with the first checkpoint.",
        "absent": "This page cannot be shown",
        "back": "All runs",
    },
    "ja": {
        "language": "ja",
        "runs": "学習の一覧",
        "intro": "学習済みの生成器を試したり、学習の進み具合を確認したりできます。",
        "training": "学習中",
        "finished": "完了",
        "stopped": "停止",
        "silent": "更新なし",
        "starting": "準備中",
        "model": "チェックポイント",
        "open": "開く",
        "play": "プレイグラウンド",
        "report": "レポート",
        "card": "モデルカード (JSON)",
        "api": "プログラムから使う",
        "api_text": "各モデルは POST リクエストで利用できます。API の仕様:",
        "images": "学習した画像数",
        "images_seen": "{0} 枚を学習",
        "of": "/",
        "speed": "枚/秒",
        "elapsed": "学習時間",
        "left": "残り時間",
        "time_left": "残り {0}",
        "d_loss": "識別器の損失",
        "g_loss": "生成器の損失",
        "frechet": "フレシェ距離 (小さいほど良い)",
        "losses": "損失",
        "discriminator": "識別器",
        "generator": "生成器",
        "held_out": "テスト画像",
        "logits": "識別器の平均ロジット",
        "real": "本物",
        "fake": "生成",
        "real_images": "本物の画像",
        "shares": "適合率と再現率",
        "precision": "適合率",
        "recall": "再現率",
        "density": "密度",
        "coverage": "カバレッジ",
        "axis": "学習した本物の画像数",
        "grids": "固定した潜在変数からの生成画像",
        "after": "{0} 枚学習後",
        "no_grid": "最初の生成画像がここに表示されます。",
        "no_curves": "ログが 2 行以上になると曲線が表示されます。",
        "curves": "学習曲線",
        "timelapse": "タイムラプス (GIF)",
        "run_through": "タイムラプスを再生",
        "pause": "一時停止",
        "slider": "タイムラプスの位置",
        "lost": "接続が切れました。再接続しています…",
        "connected": "ライブ更新中",
        "untrained": "最初のチェックポイントが保存されると試せます。",
        "absent": "ページを表示できません",
        "back": "一覧へ戻る",
    },
}


def preferred(header: str) -> Translation:
    """Return the texts in the language that an Accept-Language header ranks first, else English."""
    best = ("en", 0.0)
    for part in header.split(","):
        tag, _, weight = part.strip().partition(";q=")
        language = tag.partition("-")[0].lower()
        try:
            rank = float(weight or 1)
        except ValueError:
            continue
        if language in TRANSLATIONS and rank > best[1]:
            best = (language, rank)
    return TRANSLATIONS[best[0]]


def duration(seconds: float) -> str:
    """Return a time as hours, minutes and seconds: 1:02:03, or 2:03."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

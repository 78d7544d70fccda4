"""The words of the pages, in English and Japanese; a browser says which it would rather read."""

from __future__ import annotations

from collections.abc import Mapping

Words = Mapping[str, str]

WORDS: dict[str, Words] = {
    "en": {
        "language": "en",
        "runs": "Runs",
        "intro": "Trained generators to play with, and runs to watch while they learn.",
        "training": "Training",
        "finished": "Finished",
        "stopped": "Stopped",
        "silent": "No news",
        "starting": "Starting",
        "model": "Checkpoint",
        "open": "Open",
        "play": "Play",
        "report": "Report",
        "card": "Model card",
        "api": "Use it from a program",
        "api_text": "Every model answers to POST requests; all of it is in",
        "images": "images shown",
        "of": "of",
        "speed": "images a second",
        "elapsed": "trained for",
        "left": "left",
        "d_loss": "loss of the discriminator",
        "g_loss": "loss of the generator",
        "frechet": "Fréchet distance",
        "losses": "Losses",
        "discriminator": "discriminator",
        "generator": "generator",
        "held_out": "held out",
        "logits": "Mean logits of the discriminator",
        "real": "real",
        "fake": "fake",
        "real_images": "real images",
        "shares": "Precision and recall",
        "precision": "precision",
        "recall": "recall",
        "axis": "real images shown",
        "grids": "Pictures of the same latents",
        "after": "after {0} images",
        "no_grid": "The first pictures will appear here.",
        "no_curves": "Curves begin with the second line of the log.",
        "curves": "How it goes",
        "timelapse": "Time-lapse (GIF)",
        "run_through": "Play the time-lapse",
        "pause": "Pause",
        "slider": "Which pictures",
        "lost": "The connection is lost; trying again.",
        "connected": "Following",
        "untrained": "The model can be played with after its first checkpoint.",
        "absent": "This cannot be shown",
        "back": "All runs",
    },
    "ja": {
        "language": "ja",
        "runs": "学習の一覧",
        "intro": "学習済みの生成器で遊び、学習中の様子を見守れます。",
        "training": "学習中",
        "finished": "完了",
        "stopped": "停止",
        "silent": "更新なし",
        "starting": "準備中",
        "model": "チェックポイント",
        "open": "開く",
        "play": "遊ぶ",
        "report": "レポート",
        "card": "モデルカード",
        "api": "プログラムから使う",
        "api_text": "どのモデルも POST で使えます。詳しくは",
        "images": "見せた画像",
        "of": "/",
        "speed": "枚/秒",
        "elapsed": "学習時間",
        "left": "残り",
        "d_loss": "識別器の損失",
        "g_loss": "生成器の損失",
        "frechet": "フレシェ距離",
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
        "axis": "見せた本物の画像の数",
        "grids": "同じ潜在変数からの画像",
        "after": "{0} 枚の後",
        "no_grid": "最初の画像がここに出ます。",
        "no_curves": "ログの 2 行目から曲線が始まります。",
        "curves": "学習の経過",
        "timelapse": "タイムラプス (GIF)",
        "run_through": "タイムラプスを再生",
        "pause": "一時停止",
        "slider": "表示する画像",
        "lost": "接続が切れました。再接続しています。",
        "connected": "更新を受信中",
        "untrained": "最初のチェックポイントができると遊べます。",
        "absent": "表示できません",
        "back": "一覧へ",
    },
}


def preferred(header: str) -> Words:
    """Return the words of the language that an Accept-Language header ranks first; else English."""
    best = ("en", 0.0)
    for part in header.split(","):
        tag, _, weight = part.strip().partition(";q=")
        language = tag.partition("-")[0].lower()
        try:
            rank = float(weight or 1)
        except ValueError:
            continue
        if language in WORDS and rank > best[1]:
            best = (language, rank)
    return WORDS[best[0]]


def duration(seconds: float) -> str:
    """Return a time as a clock shows it."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

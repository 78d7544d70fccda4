// The page's texts in English and Japanese.

const TRANSLATIONS = {
  en: {
    stage: "Images",
    views: "Views",
    grid: "Grid",
    picture: "Image",
    morph: "Morph",
    tiles: "Images of consecutive seeds",
    more: "More images",
    previous: "Previous",
    next: "Next",
    asFirst: "Morph from here",
    asSecond: "Morph to here",
    moment: "Position between the two images",
    play: "Play",
    pause: "Pause",
    saveGif: "Save GIF",
    saving: "Saving…",
    first: "From seed",
    second: "To seed",
    secondClass: "To class",
    asPicked: "as selected",
    controls: "Controls",
    seed: "Seed",
    seedLess: "Previous seed",
    seedMore: "Next seed",
    random: "Random",
    seedNote: "The same seed gives the same image here and with ganbaru generate.",
    seedWrong: "Enter an integer from 0 to 2⁶³ − 1.",
    class: "Class",
    inTurn: "each in turn",
    blend: "Blend with",
    nothing: "none",
    blendShare: "Share of it",
    truncation: "Truncation",
    truncationLevel: "Level",
    truncationNote: "Lower: fewer odd images, less variety",
    directions: "Main directions",
    directionsNote: "Changes of the latent with the largest effect, strongest first.",
    direction: (number) => `Direction ${number}`,
    reset: "Reset",
    keep: "Save",
    savePng: "Save PNG",
    commandNote: "The same on the command line",
    facts: "About this model",
    keys: "Keyboard",
    shortcuts: [
      ["Tab", "next control"],
      ["← →", "switch view, image or class; move a slider"],
      ["Enter", "on an image of the grid: enlarge it"],
      ["Esc", "return to the grid"],
      ["↑ ↓", "in a seed box: next or previous seed"],
    ],
    summary: (width, height, channels, classes, images) =>
      [`${width}×${height} ${{ 1: "grey", 3: "colour", 4: "colour with transparency" }[channels]}`, classes ? `${classes} classes` : "",
       `${images} images seen in training`].filter(Boolean).join(" · "),
    count: (images) => images,
    pictureOf: (seed, name) => (name ? `Seed ${seed}, class ${name}` : `Seed ${seed}`),
    between: (percent, one, other) => `${percent} % of the way from seed ${one} to seed ${other}`,
    drawing: "Generating…",
    drawn: (count, each) => (count === "1" ? `1 image · ${each} ms` : `${count} images · ${each} ms each`),
    saved: (name) => `Saved as ${name}`,
    failed: (reason) => `This browser cannot generate the images (${reason}). Try a newer one.`,
    fact: {
      preset: "preset", network: "network", data: "data", images_trained: "images seen in training",
      classes: "classes", conditioning: "conditioning", latent: "latent", seed: "training seed",
      licence: "licence", weights_sha256: "SHA-256 of the weights", ganbaru: "exported by",
      bits: "precision of weights", computer: "computed with",
    },
    bits: (bits) => `${bits} bits`,
    numbers: (count, distribution) => `${count} numbers, ${distribution}`,
    computer: (name, workers) => `${name}, ${workers} ${workers === 1 ? "worker" : "workers"}`,
  },
  ja: {
    stage: "画像",
    views: "表示",
    grid: "一覧",
    picture: "単一画像",
    morph: "モーフ",
    tiles: "シード順の画像",
    more: "もっと見る",
    previous: "前へ",
    next: "次へ",
    asFirst: "モーフの始点にする",
    asSecond: "モーフの終点にする",
    moment: "始点と終点の間の位置",
    play: "再生",
    pause: "一時停止",
    saveGif: "GIF を保存",
    saving: "保存中…",
    first: "始点のシード",
    second: "終点のシード",
    secondClass: "終点のクラス",
    asPicked: "選択中のクラス",
    controls: "操作",
    seed: "シード",
    seedLess: "前のシード",
    seedMore: "次のシード",
    random: "ランダム",
    seedNote: "同じシードからは、このページでも ganbaru generate でも同じ画像が生成されます。",
    seedWrong: "0 以上 2⁶³ 未満の整数を入力してください。",
    class: "クラス",
    inTurn: "順番に",
    blend: "混ぜるクラス",
    nothing: "なし",
    blendShare: "混ぜる割合",
    truncation: "トランケーション",
    truncationLevel: "強さ",
    truncationNote: "小さいほど崩れた画像が減り、多様性も下がります",
    directions: "主な方向",
    directionsNote: "潜在変数を動かすと画像が大きく変わる方向です（影響の強い順）。",
    direction: (number) => `方向 ${number}`,
    reset: "リセット",
    keep: "保存",
    savePng: "PNG を保存",
    commandNote: "同じ画像を作るコマンド",
    facts: "このモデルについて",
    keys: "キーボード",
    shortcuts: [
      ["Tab", "次の項目に移動"],
      ["← →", "表示・画像・クラスの切り替え、スライダーの操作"],
      ["Enter", "一覧の画像を拡大"],
      ["Esc", "一覧に戻る"],
      ["↑ ↓", "シード欄で次・前のシード"],
    ],
    summary: (width, height, channels, classes, images) =>
      [`${width}×${height} ${{ 1: "グレースケール", 3: "カラー", 4: "カラー・透過" }[channels]}`, classes ? `${classes} クラス` : "",
       `学習に使った画像 ${images} 枚`].filter(Boolean).join(" · "),
    count: (images) => `${images} 枚`,
    pictureOf: (seed, name) => (name ? `シード ${seed}、クラス ${name}` : `シード ${seed}`),
    between: (percent, one, other) => `シード ${one} からシード ${other} までの ${percent} %`,
    drawing: "生成中…",
    drawn: (count, each) => `${count} 枚 · ${count === "1" ? "" : "1 枚あたり "}${each} ミリ秒`,
    saved: (name) => `${name} として保存しました`,
    failed: (reason) => `このブラウザーでは画像を生成できません（${reason}）。新しいブラウザーをお試しください。`,
    fact: {
      preset: "プリセット", network: "ネットワーク", data: "データ", images_trained: "学習に使った画像",
      classes: "クラス", conditioning: "条件付け", latent: "潜在変数", seed: "学習時のシード",
      licence: "ライセンス", weights_sha256: "重みの SHA-256", ganbaru: "エクスポート",
      bits: "重みの精度", computer: "計算方法",
    },
    bits: (bits) => `${bits} ビット`,
    numbers: (count, distribution) => `${count} 次元、${distribution}`,
    computer: (name, workers) => `${name}、${workers} 並列`,
  },
};

let language = navigator.language.startsWith("ja") ? "ja" : "en";

// Returns the text of a key in the current language; some take arguments.
function say(key, ...values) {
  const text = TRANSLATIONS[language][key];
  return typeof text === "function" ? text(...values) : text;
}

const counted = (number) => Number(number).toLocaleString(language);

// Sets all fixed texts of the page.
function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = say(element.dataset.word);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", say(element.dataset.label));
  }
}

// What the page says, in English and in Japanese.

const WORDS = {
  en: {
    other: "日本語",
    otherLabel: "日本語で表示",
    theme: { auto: "Colours: as the system", light: "Colours: light", dark: "Colours: dark" },
    stage: "Pictures",
    views: "Views",
    grid: "Grid",
    picture: "Picture",
    morph: "Morph",
    tiles: "Pictures of one seed after the other",
    more: "More pictures",
    previous: "Previous",
    next: "Next",
    asFirst: "Morph from here",
    asSecond: "Morph to here",
    moment: "How far from the first picture to the second",
    play: "Play",
    pause: "Pause",
    saveGif: "Save GIF",
    saving: "Saving …",
    first: "From seed",
    second: "To seed",
    secondClass: "To class",
    asPicked: "as picked",
    controls: "Controls",
    seed: "Seed",
    seedLess: "Seed before",
    seedMore: "Seed after",
    random: "Surprise me",
    seedNote: "A seed is a picture: the same one here, by ganbaru generate, everywhere.",
    seedWrong: "A whole number from 0, below 2⁶³.",
    class: "Class",
    inTurn: "in turn",
    blend: "Blend with",
    nothing: "nothing",
    blendShare: "How much of it",
    truncation: "Truncation",
    truncationNote: "Lower: fewer odd pictures, less variety",
    directions: "Main directions",
    directionsNote: "What the generator reacts to most, strongest first.",
    direction: (number) => `Direction ${number}`,
    reset: "Back to the middle",
    keep: "Keep",
    savePng: "Save PNG",
    facts: "About this model",
    keys: "Keyboard",
    shortcuts: [
      ["Tab", "from control to control"],
      ["← →", "between views, pictures of the grid and classes; along a slider"],
      ["Enter", "on a picture of the grid: shows it large"],
      ["Esc", "back to the grid"],
      ["↑ ↓", "in a seed's box: the seed after and before"],
    ],
    summary: (width, height, grey, classes, images) =>
      [`${width}×${height} ${grey ? "grey" : "colour"}`, classes ? `${classes} classes` : "",
       `${images} images seen in training`].filter(Boolean).join(" · "),
    pictureOf: (seed, name) => (name ? `Seed ${seed}, class ${name}` : `Seed ${seed}`),
    between: (percent, one, other) => `${percent} % of the way from seed ${one} to seed ${other}`,
    drawing: "Drawing …",
    drawn: (count, each) => (count === "1" ? `1 picture · ${each} ms` : `${count} pictures · ${each} ms each`),
    saved: (name) => `Saved as ${name}`,
    failed: (reason) => `This browser cannot draw the pictures (${reason}). A newer one can.`,
    fact: {
      preset: "preset", network: "network", data: "data", images_trained: "images shown in training",
      classes: "classes", conditioning: "conditioning", latent: "latent", seed: "training seed",
      licence: "licence", weights_sha256: "SHA-256 of the weights", ganbaru: "made by",
      bits: "weights stored in", computer: "computed by",
    },
    bits: (bits) => `${bits} bits`,
    numbers: (count, distribution) => `${count} numbers, ${distribution}`,
    computer: (name, workers) => `${name}, ${workers} at a time`,
  },
  ja: {
    other: "English",
    otherLabel: "Show in English",
    theme: { auto: "配色：システムに合わせる", light: "配色：ライト", dark: "配色：ダーク" },
    stage: "画像",
    views: "表示",
    grid: "一覧",
    picture: "一枚",
    morph: "モーフ",
    tiles: "シード順に並んだ画像",
    more: "もっと見る",
    previous: "前へ",
    next: "次へ",
    asFirst: "モーフの始点にする",
    asSecond: "モーフの終点にする",
    moment: "始点から終点までの位置",
    play: "再生",
    pause: "一時停止",
    saveGif: "GIF を保存",
    saving: "保存中…",
    first: "始点のシード",
    second: "終点のシード",
    secondClass: "終点のクラス",
    asPicked: "選択中",
    controls: "操作",
    seed: "シード",
    seedLess: "前のシード",
    seedMore: "次のシード",
    random: "おまかせ",
    seedNote: "シードが同じなら、ここでも ganbaru generate でも、どこでも同じ画像になります。",
    seedWrong: "0 以上 2⁶³ 未満の整数を入れてください。",
    class: "クラス",
    inTurn: "順番に",
    blend: "混ぜるクラス",
    nothing: "なし",
    blendShare: "混ぜる割合",
    truncation: "トランケーション",
    truncationNote: "小さいほど崩れた画像が減り、多様性も減ります",
    directions: "主な方向",
    directionsNote: "生成器がよく反応する方向を、強い順に並べています。",
    direction: (number) => `方向 ${number}`,
    reset: "中央に戻す",
    keep: "保存",
    savePng: "PNG を保存",
    facts: "このモデルについて",
    keys: "キーボード",
    shortcuts: [
      ["Tab", "次の項目へ"],
      ["← →", "表示・画像・クラスの切り替え、スライダーの操作"],
      ["Enter", "一覧の画像を大きく表示"],
      ["Esc", "一覧に戻る"],
      ["↑ ↓", "シード欄で次・前のシードへ"],
    ],
    summary: (width, height, grey, classes, images) =>
      [`${width}×${height} ${grey ? "グレースケール" : "カラー"}`, classes ? `${classes} クラス` : "",
       `学習に使った画像 のべ ${images} 枚`].filter(Boolean).join(" · "),
    pictureOf: (seed, name) => (name ? `シード ${seed}、クラス ${name}` : `シード ${seed}`),
    between: (percent, one, other) => `シード ${one} からシード ${other} までの ${percent} %`,
    drawing: "描画中…",
    drawn: (count, each) => `${count} 枚 · ${count === "1" ? "" : "1 枚あたり "}${each} ミリ秒`,
    saved: (name) => `${name} として保存しました`,
    failed: (reason) => `このブラウザーでは画像を描けません（${reason}）。新しいブラウザーをお使いください。`,
    fact: {
      preset: "プリセット", network: "ネットワーク", data: "データ", images_trained: "学習で見せた画像の数",
      classes: "クラス", conditioning: "条件付け", latent: "潜在変数", seed: "学習時のシード",
      licence: "ライセンス", weights_sha256: "重みの SHA-256", ganbaru: "作成",
      bits: "重みの精度", computer: "計算方法",
    },
    bits: (bits) => `${bits} ビット`,
    numbers: (count, distribution) => `${count} 個、${distribution}`,
    computer: (name, workers) => `${name}、同時に ${workers} 枚`,
  },
};

let language = navigator.language.startsWith("ja") ? "ja" : "en";

// Returns the words of a name, or what a function of that name makes of what it is given.
function say(name, ...given) {
  const said = WORDS[language][name];
  return typeof said === "function" ? said(...given) : said;
}

const counted = (number) => Number(number).toLocaleString(language);

// Writes all fixed words of the page in the language that is chosen.
function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = say(element.dataset.word);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", say(element.dataset.label));
  }
}

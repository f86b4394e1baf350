// Japanese for the titles of the examples, which are the first lines of their code.

/** @type {Record<string, string>} */
export const RECIPES = {
  "A small language model: a GPT learns to write Python from modules of the standard library, character by character.": "小さな言語モデル: GPT が標準ライブラリのモジュールから、Python の書き方を 1 文字ずつ学びます。",
  "Handwritten digits with a small convolutional network: three convolutions, two poolings, one linear layer.": "手書き数字と小さな畳み込みネットワーク: 畳み込み 3 層、プーリング 2 層、線形 1 層。",
  "Handwritten digits with a small multilayer perceptron: 64 pixels in, 10 classes out.": "手書き数字と小さな多層パーセプトロン: 入力は 64 画素、出力は 10 クラス。",
  "Digits through a bottleneck: a variational autoencoder keeps eight numbers of a picture and paints it again.": "数字を細い通り道に: 変分オートエンコーダーが画像を 8 個の数で覚え、もう一度描きます。",
  "A curve through noisy points: regression of one number on another.": "ばらつく点を通る曲線: 1 つの数から別の数を求める回帰。",
  "Two spirals in a plane: a small network bends a border between them.": "平面上の 2 つのらせん: 小さなネットワークが境界を曲げて分けます。",
};

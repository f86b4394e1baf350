// Japanese for what goes wrong with people's own tables and archives.

/** @type {Record<string, string>} */
export const OWN_DATA = {
  "The file has one column or none: a table has a first row of names, and at least two columns, separated by commas.": "ファイルに列が 1 つ以下しかありません。表の 1 行目は列名で、コンマで区切った 2 列以上が必要です。",
  "The table has {n} rows below its names; at least 20 are needed to learn and to check.": "表には列名の下に {n} 行あります。学習と確認には 20 行以上が必要です。",
  "Row {row} has {n} values, the first row names {columns} columns. Mend that row and try again.": "{row} 行目の値は {n} 個ですが、1 行目の列名は {columns} 個です。その行を直して、もう一度試してください。",
  "The file is no zip archive, or a damaged one: pack it again.": "ZIP ファイルではないか、壊れています。もう一度圧縮してください。",
  "The zip archive's list of contents is damaged: pack it again.": "ZIP ファイルの目次が壊れています。もう一度圧縮してください。",
  "A picture in the zip archive has more than 50 MB: take smaller ones.": "ZIP ファイルの中に 50 MB を超える画像があります。小さい画像を使ってください。",
  "The zip archive is packed in a way that browsers cannot read: use plain zip.": "この ZIP ファイルの圧縮方式はブラウザーで読めません。通常の ZIP 形式を使ってください。",
  "The zip archive is damaged: a member is larger than it says.": "ZIP ファイルが壊れています。中のファイルが記載より大きくなっています。",
};

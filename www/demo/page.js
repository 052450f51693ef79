// SPDX-License-Identifier: MIT
//
// What the scripts of the pages share.

export const $ = (id) => document.getElementById(id);

/** Shows what is wrong above the page's tools; without a title, nothing is. */
export function notice(title, text = '') {
  $('notice').hidden = !title;
  $('notice').firstElementChild.textContent = title;
  $('notice').lastElementChild.textContent = text;
}

// What is wrong with the page, as sentences; the body of a function.
const faults = [];
const shown = (one) => one.checkVisibility({checkVisibilityCSS: true}) && one.getClientRects().length > 0;
const name = (one) => one.getAttribute('aria-label') || (one.getAttribute('aria-labelledby') || '').split(' ')
  .map((id) => document.getElementById(id)?.textContent || '').join(' ').trim()
  || [...(one.labels || [])].map((label) => label.textContent).join(' ').trim() || one.textContent.trim();
for (const one of document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href], summary'))
  if (shown(one) && !name(one)) faults.push('no name: ' + one.outerHTML.slice(0, 120));
if (document.documentElement.lang !== 'en') faults.push('no language');
if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
let level = 0;
for (const heading of document.querySelectorAll('h1, h2, h3, h4')) {
  if (Number(heading.tagName[1]) > level + 1 && shown(heading)) faults.push('a heading is left out before ' + heading.textContent);
  level = Number(heading.tagName[1]);
}
for (const landmark of ['header', 'main', 'footer']) if (!document.querySelector(landmark)) faults.push('no ' + landmark);
const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);
for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) faults.push('id twice: ' + id);
for (const one of document.querySelectorAll('[aria-describedby]'))
  for (const id of one.getAttribute('aria-describedby').split(' ')) if (!document.getElementById(id)) faults.push('describes nothing: ' + id);
for (const image of document.images) if (!image.hasAttribute('alt')) faults.push('an image without alt');
for (const head of document.querySelectorAll('thead th')) if (!head.textContent.trim() || head.scope !== 'col') faults.push('a column without a heading');
if (document.querySelector('[tabindex]:not([tabindex="0"], [tabindex="-1"])')) faults.push('a forced tab order');
if (document.querySelector('[style], style, script:not([src]), [onclick]')) faults.push('inline style or script');
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const rgb = (colour, below) => {
  canvas.fillStyle = 'rgb(' + below.join(' ') + ')'; canvas.fillRect(0, 0, 1, 1);
  canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const light = (colour) => {
  const [r, g, b] = colour.map((part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (one) => {
  const line = []; for (let at = one; at; at = at.parentElement) line.unshift(at);
  return line.reduce((below, at) => rgb(getComputedStyle(at).backgroundColor, below), [255, 255, 255]);
};
const contrast = (a, b) => { const [x, y] = [light(a), light(b)]; return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05); };
for (const one of document.body.querySelectorAll('*')) {
  const said = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!said || !shown(one) || one.closest('.unseen, .skip, option')) continue;
  const below = ground(one), ratio = contrast(rgb(getComputedStyle(one).color, below), below);
  if (ratio < 4.5) faults.push('contrast ' + ratio.toFixed(2) + ': ' + one.textContent.trim().slice(0, 40));
}
for (const one of document.querySelectorAll('input:not([type=hidden], [type=checkbox], [type=file]), textarea, select')) {
  if (!shown(one)) continue;
  const around = ground(one.parentElement), ratio = contrast(rgb(getComputedStyle(one).borderTopColor, around), around);
  if (ratio < 3) faults.push('edge of ' + one.id + ' ' + ratio.toFixed(2));
}
return faults;

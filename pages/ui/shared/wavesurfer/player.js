// One player on all pages: waveform, spectrogram, regions, a stretch to choose. Python's side is ../player.py.
// The waveform, its regions and its spectrogram are wavesurfer.js; see README.md for its version.
import Regions from "./regions.esm.js"
import Spectrogram from "./spectrogram.esm.js"
import Timeline from "./timeline.esm.js"
import WaveSurfer from "./wavesurfer.esm.js"

const RATE = 22050 // Hz, that of the waveforms the model reads: the spectrogram ends where its hearing does
const HIGHEST = 8000 // Hz
const SHORTEST = 0.05 // s, of a stretch
const MOST_PIXELS = 30000 // of the picture when it is zoomed
const HEIGHTS = { wave: 96, spectrogram: 132, small: 64, timeline: 20 } // px
const ICONS = {
  play: "M8 5v14l11-7z",
  pause: "M6 5h4v14H6zm8 0h4v14h-4z",
  closer: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
  farther: "M5 11h14v2H5z",
  close: "M6.4 5 12 10.6 17.6 5 19 6.4 13.4 12l5.6 5.6-1.4 1.4-5.6-5.6L6.4 19 5 17.6l5.6-5.6L5 6.4z",
}
const STEPS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600] // s, between labels of the time axis
const LABEL_WIDTH = 52 // px
const LAST_WIDTH = 36 // px
const NARROWEST = 40 // px, of a region with its words across it; in narrower ones they stand upright
const THINNEST = 15 // px, of a region that has words at all
const HINT = "Click to play from there, drag to choose a stretch."
const KEYS =
  "Space plays and pauses. Arrows move, with Shift further. [ and ] set the ends of a stretch, Enter analyses it, " +
  "Escape lets it go. + and - zoom."

const players = new WeakMap()

export default function (component) {
  const { parentElement, data } = component
  let player = players.get(parentElement)
  if (!player) players.set(parentElement, (player = new Player(parentElement)))
  player.update(component, data)
  return () => {
    players.delete(parentElement)
    player.end()
  }
}

class Player {
  constructor(parent) {
    this.root = element("div", "player")
    this.picture = element("div", "picture")
    this.button = button("play", "Play", () => this.playPause())
    this.time = element("span", "time")
    this.farther = button("farther", "Show more of the sound", () => this.zoom(0.5), "zoom")
    this.closer = button("closer", "Show less of the sound, larger", () => this.zoom(2), "zoom")
    this.hint = element("span", "hint", HINT)
    this.chosen = element("span", "chosen")
    this.analyse = element("button", "primary", "Analyse this stretch")
    this.analyse.onclick = () => this.send(this.stretch)
    this.close = button("close", "Let the stretch go", () => this.choose(null))
    const bar = element("div", "bar")
    bar.append(this.button, this.time, this.farther, this.closer)
    this.line = element("div", "stretch")
    this.line.append(this.hint, this.chosen, this.analyse, this.close)
    this.root.append(this.picture, bar, this.line)
    parent.append(this.root)
    Object.entries({ tabindex: 0, role: "slider", "aria-valuemin": 0, "aria-valuenow": 0, title: KEYS }).forEach(([name, value]) =>
      this.picture.setAttribute(name, value),
    )
    this.picture.onkeydown = (event) => this.press(event)
    this.stretch = null
    this.told = null
    this.scale = 1
  }

  update(component, data) {
    this.component = component
    const isNew = data.url !== this.data?.url || data.peaks?.length !== this.data?.peaks?.length
    const regions = JSON.stringify(data.regions)
    const isOther = regions !== this.drawn
    this.data = data
    this.drawn = regions
    if (isNew) this.load()
    else {
      this.wave.setOptions(this.colors())
      if (isOther && this.isReady) this.drawRegions()
    }
    if (this.isReady) this.follow(data.stretch)
    if (data.play && data.play.id !== this.played) {
      this.played = data.play.id
      if (this.isReady) this.playStretch(data.play)
      else this.waiting = data.play
    }
  }

  load() {
    this.wave?.destroy()
    const { small, spectrogram, peaks, duration, name, url } = this.data
    const height = small ? HEIGHTS.small : HEIGHTS.wave
    const whole = height + HEIGHTS.timeline + (spectrogram ? HEIGHTS.spectrogram : 0)
    this.root.classList.toggle("small", Boolean(small))
    this.root.style.setProperty("--picture-height", `${whole}px`)
    this.picture.setAttribute("aria-label", `Position in ${name}`)
    this.isReady = false
    this.scale = 1
    this.stretch = null
    this.told = null
    this.time.textContent = "Loading the sound ..."
    this.showStretch()
    this.regions = Regions.create()
    this.axis = null
    this.picture.querySelectorAll(".pitch").forEach((label) => label.remove())
    for (const part of [this.button, this.farther, this.closer]) part.disabled = true
    const plugins = [this.regions, ...(spectrogram ? [this.spectrogram()] : [])]
    this.wave = WaveSurfer.create({
      container: this.picture,
      height,
      sampleRate: RATE,
      cursorWidth: 2,
      normalize: true,
      hideScrollbar: false,
      plugins,
      ...this.colors(),
    })
    this.wave.on("ready", (length) => this.begin(length))
    this.wave.on("error", () => this.fail())
    this.wave.on("play", () => this.showButton())
    this.wave.on("pause", () => this.showButton())
    this.wave.on("finish", () => this.showButton())
    this.wave.on("timeupdate", () => this.showTime())
    this.wave.on("seeking", () => this.showTime())
    this.wave.on("click", (share) => this.playFrom(share * this.length))
    this.regions.enableDragSelection({ color: this.selectionColor(), minLength: SHORTEST }, 4)
    this.regions.on("region-created", (region) => this.take(region))
    this.regions.on("region-updated", (region) => region === this.selected && this.take(region))
    this.wave.load(address(url), peaks ? [peaks] : undefined, duration ?? undefined).catch(() => {})
  }

  spectrogram() {
    return Spectrogram.create({
      height: HEIGHTS.spectrogram,
      labels: false,
      fftSamples: 512,
      windowFunc: "hann",
      scale: "linear",
      frequencyMin: 0,
      frequencyMax: HIGHEST,
      autoGain: true,
      rangeDB: 70,
      preEmphasis: 4,
      colorMap: spread(this.data.scale),
    })
  }

  // The time axis, anew at each zoom: the plugin's own steps are whole seconds.
  drawAxis() {
    this.axis?.destroy()
    const perSecond = (this.wave.getWidth() * this.scale) / this.length
    const step = STEPS.find((step) => step * perSecond >= LABEL_WIDTH)
    this.axis = Timeline.create({
      height: HEIGHTS.timeline,
      timeInterval: (step ?? STEPS.at(-1)) / 5,
      primaryLabelInterval: step ?? STEPS.at(-1),
      secondaryLabelInterval: this.length * 2,
      // What would be cut off at the end is left out.
      formatTimeCallback: (seconds) =>
        (this.length - seconds) * perSecond < LAST_WIDTH ? "" : clock(seconds, step < 0.1 ? 2 : 1).replace(/\.0+$/, ""),
      style: { fontSize: "11px", color: this.style("--st-text-color") },
    })
    this.wave.registerPlugin(this.axis)
  }

  // The spectrogram's own labels cover what they label.
  labelPitches(above) {
    for (const share of [0.25, 0.5, 0.75]) {
      const label = element("span", "pitch", `${(HIGHEST * share) / 1000} kHz`)
      label.style.top = `${above + HEIGHTS.spectrogram * (1 - share)}px`
      this.picture.append(label)
    }
  }

  begin(length) {
    this.length = length
    this.isReady = true
    this.button.disabled = false
    this.picture.setAttribute("aria-valuemax", length.toFixed(2))
    this.drawAxis()
    this.drawRegions()
    if (this.data.spectrogram) this.labelPitches(this.data.small ? HEIGHTS.small : HEIGHTS.wave)
    this.showTime()
    this.showButton()
    this.showZoom()
    this.follow(this.data.stretch)
    if (this.waiting) this.playStretch(this.waiting)
    this.waiting = null
  }

  fail() {
    if (this.isReady) return
    this.button.disabled = true
    this.time.textContent = "This browser cannot play the sound."
  }

  end() {
    this.wave?.destroy()
  }

  // Regions: those of the answers, which stay where they are, and the one stretch that somebody chooses.

  drawRegions() {
    this.marks?.forEach((mark) => mark.remove())
    this.marks = []
    const pixels = (this.wave.getWidth() * this.scale) / this.length // per second
    for (const [k, { start, end, label, color }] of this.data.regions.entries()) {
      const options = { id: `answer-${k}`, start, end, color: `${color}40`, drag: false, resize: false }
      const mark = this.regions.addRegion({ ...options, content: this.label(label, (end - start) * pixels) })
      const height = `${this.data.small ? HEIGHTS.small : HEIGHTS.wave}px`
      Object.assign(mark.element?.style ?? {}, { pointerEvents: "none", borderTop: `3px solid ${color}`, height })
      this.marks.push(mark)
    }
  }

  label(words, width) {
    if (!words || width < THINNEST) return undefined
    const label = element("span", "", words)
    Object.assign(label.style, {
      display: "inline-block",
      maxWidth: "100%",
      overflow: "hidden",
      textOverflow: "ellipsis",
      whiteSpace: "nowrap",
      boxSizing: "border-box",
      padding: "1px 5px",
      fontSize: "11px",
      lineHeight: "1.3",
      color: this.style("--st-text-color"),
      background: this.style("--st-background-color"),
      borderRadius: "0 0 4px 0",
      opacity: "0.9",
      ...(width < NARROWEST ? { writingMode: "vertical-rl", padding: "4px 0" } : {}),
    })
    return label
  }

  take(region) {
    if (region.id.startsWith("answer-")) return
    if (this.selected && this.selected !== region) this.selected.remove()
    this.selected = region
    this.stretch = { start: Math.max(region.start, 0), end: Math.min(region.end, this.length) }
    this.showStretch()
  }

  choose(stretch) {
    if (stretch && stretch.end - stretch.start >= SHORTEST) {
      if (this.selected) this.selected.setOptions(stretch)
      else this.regions.addRegion({ ...stretch, color: this.selectionColor(), minLength: SHORTEST })
      this.stretch = stretch
    } else if (!stretch) {
      this.letGo()
      this.send(null)
    }
    this.showStretch()
  }

  letGo() {
    this.selected?.remove()
    this.selected = null
    this.stretch = null
  }

  // The stretch that the address names, where it names another one than this player told.
  follow(stretch) {
    if (JSON.stringify(stretch ?? null) === JSON.stringify(this.told)) return
    this.told = stretch ?? null
    if (stretch) this.choose(stretch)
    else this.letGo()
    this.showStretch()
  }

  // What the server is told: the stretch to analyse, or that there is none any more. The same can be told again, since
  // the address may have changed.
  send(stretch) {
    const told = stretch && { start: milliseconds(stretch.start), end: milliseconds(stretch.end) }
    if (JSON.stringify(told) === JSON.stringify(this.told)) return
    this.told = told
    this.component.setTriggerValue("stretch", told ?? {})
  }

  // Sound.

  playPause() {
    if (!this.isReady) return
    if (this.wave.isPlaying()) this.wave.pause()
    else if (this.stretch) this.playStretch(this.stretch)
    else this.wave.play()
  }

  playFrom(seconds) {
    if (!this.isReady) return
    this.wave.setTime(seconds)
    if (!this.wave.isPlaying()) this.wave.play()
  }

  playStretch({ start, end }) {
    this.wave.play(start, end).catch(() => {})
  }

  move(seconds) {
    this.wave.setTime(Math.min(Math.max(seconds, 0), this.length))
    this.showTime()
  }

  zoom(factor) {
    const fitting = this.wave.getWidth() / this.length
    this.scale = Math.min(Math.max(this.scale * factor, 1), this.mostScale())
    this.wave.zoom(this.scale === 1 ? 0 : fitting * this.scale)
    this.drawAxis()
    this.drawRegions()
    this.showZoom()
  }

  mostScale() {
    return Math.max(Math.min(MOST_PIXELS / Math.max(this.wave.getWidth(), 1), this.length * 20), 1)
  }

  press(event) {
    if (!this.isReady || event.ctrlKey || event.metaKey || event.altKey) return
    const now = this.wave.getCurrentTime()
    const step = (this.length > 20 ? 1 : 0.1) * (event.shiftKey ? 5 : 1)
    const actions = {
      " ": () => this.playPause(),
      ArrowLeft: () => this.move(now - step),
      ArrowRight: () => this.move(now + step),
      ArrowDown: () => this.move(now - step),
      ArrowUp: () => this.move(now + step),
      Home: () => this.move(0),
      End: () => this.move(this.length),
      "[": () => this.choose({ start: now, end: Math.max(this.stretch?.end ?? this.length, now + SHORTEST) }),
      "]": () => this.choose({ start: Math.min(this.stretch?.start ?? 0, now - SHORTEST), end: now }),
      Enter: () => this.stretch && this.send(this.stretch),
      Escape: () => this.stretch && this.choose(null),
      "+": () => this.zoom(2),
      "-": () => this.zoom(0.5),
    }
    const action = actions[event.key]
    if (!action) return
    event.preventDefault()
    event.stopPropagation()
    action()
  }

  // What is seen.

  showTime() {
    if (!this.isReady) return
    const now = this.wave.getCurrentTime()
    this.time.textContent = `${clock(now)} / ${clock(this.length)}`
    this.picture.setAttribute("aria-valuenow", now.toFixed(2))
    this.picture.setAttribute("aria-valuetext", `${clock(now)} of ${clock(this.length)}`)
  }

  showButton() {
    const isPlaying = this.wave.isPlaying()
    draw(this.button, isPlaying ? "pause" : "play", isPlaying ? "Pause" : this.stretch ? "Play the stretch" : "Play")
  }

  showZoom() {
    this.farther.disabled = this.scale <= 1
    this.closer.disabled = this.scale >= this.mostScale()
  }

  showStretch() {
    const { stretch } = this
    this.line.classList.toggle("filled", Boolean(stretch))
    this.hint.hidden = Boolean(stretch)
    for (const part of [this.chosen, this.analyse, this.close]) part.hidden = !stretch
    this.chosen.textContent = stretch ? `${clock(stretch.start)} to ${clock(stretch.end)}` : ""
    if (this.isReady) this.showButton()
  }

  colors() {
    const text = this.style("--st-text-color")
    return { waveColor: this.data.wave, progressColor: `color-mix(in srgb, ${this.data.wave} 60%, ${text})`, cursorColor: this.data.cursor }
  }

  selectionColor() {
    return `color-mix(in srgb, ${this.style("--st-primary-color")} 28%, transparent)`
  }

  style(name) {
    return getComputedStyle(this.root).getPropertyValue(name).trim() || "currentColor"
  }
}

function element(tag, name, words = "") {
  const made = document.createElement(tag)
  if (name) made.className = name
  made.textContent = words
  return made
}

function button(icon, label, act, name = "") {
  const made = element("button", name)
  made.type = "button"
  made.onclick = act
  draw(made, icon, label)
  return made
}

function draw(place, icon, label) {
  const space = "http://www.w3.org/2000/svg"
  const picture = document.createElementNS(space, "svg")
  const path = document.createElementNS(space, "path")
  picture.setAttribute("viewBox", "0 0 24 24")
  picture.setAttribute("aria-hidden", "true")
  path.setAttribute("d", ICONS[icon])
  picture.append(path)
  place.replaceChildren(picture)
  place.setAttribute("aria-label", label)
  place.title = label
}

function milliseconds(seconds) {
  return Math.round(seconds * 1000) / 1000
}

// The server's addresses begin at its root: pages can lie anywhere beneath.
function address(url) {
  return new URL(url, document.baseURI).href
}

function clock(seconds, digits = 1) {
  const parts = Math.round(seconds * 10 ** digits)
  const minute = 60 * 10 ** digits
  const rest = ((parts % minute) / 10 ** digits).toFixed(digits).padStart(3 + digits, "0")
  return `${Math.floor(parts / minute)}:${rest}`
}

// A scale of a few colours as the 256 that the spectrogram takes.
function spread(colors) {
  const stops = colors.map((color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16) / 255))
  return Array.from({ length: 256 }, (_, k) => {
    const at = (k / 255) * (stops.length - 1)
    const low = Math.min(Math.floor(at), stops.length - 2)
    return [...stops[low].map((value, i) => value + (at - low) * (stops[low + 1][i] - value)), 1]
  })
}

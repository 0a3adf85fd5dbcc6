#!/usr/bin/env python3
"""Makes engine/pseudonymize/vocabulary.txt: the words that cleaned text may keep.

Sources: words that code meanings of public schemes (as pydicom carries them) write in lower case, which leaves out eponyms;
and the words of scanning rooms below, which no scheme has. Words that are also common surnames or given names are taken out,
unless imaging cannot do without them: the patient's own names are removed besides, and the leak scan comes after that.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "engine" / "pseudonymize" / "vocabulary.txt"

ROOM_WORDS = """
ct mr mri pet us cr dx dr xa rf mg nm ot sc sr spect cbct mra mrv mrcp cta ctv dsa dti dwi adc swi qsm asl pwi bold fmri mrs
t1 t2 t1w t2w pd pdw flair stir tirm spair spir tse fse gre ge se epi mprage mp2rage space cube vista vibe lava thrive
tfe ffe bffe ssfp fiesta trufi ciss haste ssfse propeller blade medic merge flash fspgr spgr bravo ir irfse tof pc dixon
ideal fatsat fs wfi opp inphase outphase phase magnitude real imaginary trace tracew isotropic iso fa rgb
sag sagittal cor coronal ax axial tra trans transverse transversal obl oblique rl ap pa lat lateral lr si is hf ff ml
localizer localiser loc scout topogram surview survey plan planning calibration cal shim ref reference test qc qa phantom
pre post gad gd gadolinium contrast km iv oral native nativ enhanced unenhanced plain arterial venous portal delayed late
early dynamic dyn perfusion diffusion b0 bval bvec dir directions average avg mean std mip minip mpr vrt ssd curved recon
reformat reformatted thin thick slice slices slab vol volume series study img image images frame frames cine loop stack
chest thorax thx lung lungs hrct abdomen abd pelvis pelv neck head brain cerebrum skull orbit orbits sinus sinuses face
facial ear iac tmj spine cspine tspine lspine lumbar thoracic cervical sacrum si hip hips femur knee knees tibia fibula
ankle foot feet toe toes shoulder humerus elbow forearm wrist hand finger thumb leg legs arm arms extremity whole body
wholebody heart cardiac coronary aorta carotid carotids renal kidney kidneys liver spleen pancreas bowel colon rectum
prostate bladder uterus ovary breast breasts mammo tomo tomosynthesis mlo cc mlol mlor ccl ccr left right bilateral lt rt
upper lower mid middle anterior posterior superior inferior medial proximal distal supine prone decubitus erect upright
standing sitting inspiration insp expiration exp breathhold bh fb resp gated gating ecg trigger triggered prospective
retrospective diastole diastolic systole systolic axis sax lax chamber ch lvot rvot stress rest
dose report summary screen save capture kv kvp ma mas mm cm ms sec min hz tr te ti flip angle fov matrix nex nsa
low high dose lowdose ldct std soft bone lung kernel sharp smooth standard medium filter fbp asir admire safire sharpness
mono energy dual spectral iodine water fat silicone virtual noncontrast subtraction sub subtracted mask difference
attenuation corrected ac nac ctac emission transmission uptake suv fdg f18 ga68 psma dotatate tc99m mdp bone scan static
screening diagnostic followup follow up baseline initial repeat additional add extra short long small large wide narrow
first second third one two three four five six with without and or of the in on at to for from by no not
routine protocol std default normal fast ultra quick high resolution hires highres lores hr lr res
seg segmentation label mask map maps atlas roi overlay annotation measurement plan rt struct rtstruct rtdose rtplan dose
treatment setup isocenter portal image verification kv mv beam arc field
diff moco mosaic ep ep2d ep3d asc ascending descending sl rot wip pilot interleaved sequential echo cont comp xr petct
echocardiogram transesophageal transthoracic doppler duplex color jpeg compressed lossy lossless
grappa sense caipi ipat mb w wo tumor contrast angio angiography myelo arthro uro entero colonography
acute emergency stroke trauma tumor tumour lesion mass nodule stone bleed hemorrhage haemorrhage infarct aneurysm stenosis
occlusion thrombus embolism embolus pe dvt fracture arthritis
""".split()  # noqa: SIM905

NAMES = """
abbott adams alan albert alexander alice allen amber andrew angel anna anne april art arthur august austin baker banks barber bell
benjamin berry best bird bishop black blue bond brook brooks brown bruce burns bush butler cannon carol carpenter carter charles
charlotte church clay cole cook cooper crystal daisy daniel dawn day dean diamond douglas eden eve faith fisher flowers ford foster
fox frank frost george gill glass gold grace graham grant graves gray green grey guy hall hardy harry hart harvey hazel heath
henry hill holland holly hope house hunt hunter iris ivy jack james jasmine jay jean jordan joseph joy june king knight lake lane
law lee lily little love lucas luna lynn marshall marsh martin mason may melody mercy miles miller mills milan moon moore morgan
morris nelson noble oliver olive page palmer paris parish park parker parks pearl peter phoenix pierce piper pond pope porter
potter powell price queen ray reed rice rich richard rivers robert robin rock roman rose rosemary ross ruby ruth ryan sage scott
shepherd silver simon singer smith snow south spencer star steel sterling stewart storm strong summer summers swan sweet taylor
temple thomas turner underwood victor victoria violet wade walker walls ward warren waters weaver webb wells west wheeler white will
willow winter wolf wood woods wright young
""".split()  # noqa: SIM905

NEEDED = {
    "with",
    "post",
    "mean",
    "head",
    "hand",
    "foot",
    "long",
    "short",
    "small",
    "wall",
    "field",
    "stone",
    "chamber",
    "sharp",
}


def words() -> list[str]:
    """All words, in order, in lower case."""
    from pydicom.sr._concepts_dict import concepts

    found = set(ROOM_WORDS)
    for entries in concepts.values():
        for codes in entries.values():
            for meaning, _ in codes.values():
                found.update(
                    word for word in re.findall(r"[A-Za-z]+", meaning) if word.islower() and len(word) > 2
                )
    return sorted(found - (set(NAMES) - NEEDED))


def main() -> int:
    """Writes the file, or with --check says whether it is fresh."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if the file is not what it would be"
    )
    check = parser.parse_args().check
    text = "\n".join(words()) + "\n"
    if check:
        return 0 if TARGET.read_text(encoding="ascii") == text else 1
    TARGET.write_text(text, encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
